/**
 * The house rules as tests: who may import whom, what a dependency needs, how files are called, what no file contains.
 *
 * Imports point down the table below. What a file needs of a layer that its own may not import is either a sign that it
 * lies in the wrong place, or a decision: then change the table, and say why.
 */

import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { describe, it } from "node:test";

const root = join(import.meta.dirname, "..");

/**
 * Area to the areas that it may import, its own always among them. An area is a path below src/; a file belongs to the
 * longest one that begins its path. `a/*` is `a` and all areas below it, and `types of a` is `import type` alone.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  base: [],
  kernel: ["base"],
  "kernel/typescript": ["base", "kernel"],
  "kernel/native": ["base", "kernel"],
  "kernel/choose-kernel.ts": ["kernel/*"],
  "kernel/kernel-for-format.ts": ["base", "kernel", "kernel/choose-kernel.ts"],
  "repository/blob": ["base"],
  "repository/format": ["base", "types of kernel", "repository/blob"],
  "repository/index": ["base", "kernel", "repository/blob", "types of repository/format"],
  "repository/content": ["base", "kernel", "repository/blob", "types of repository/format", "repository/index"],
  "repository/object": ["base", "types of kernel", "repository/content"],
  "repository/manifest": ["base", "repository/content", "types of repository/index"],
  repository: ["base", "kernel/*", "repository/*"],
  snapshot: ["base", "repository/*"],
  volume: ["base"],
  backup: ["base", "types of kernel", "repository/*", "snapshot", "volume"],
  restore: ["base", "types of kernel", "repository/*", "snapshot", "volume"],
  // What is stored is also compared with what is there now.
  inspect: ["base", "types of kernel", "repository/*", "snapshot", "volume"],
  kubernetes: ["base"],
  "agent/velero": ["base", "kubernetes", "agent", "types of agent/engine"],
  "agent/node": ["base", "kubernetes", "agent", "agent/velero"],
  "agent/engine": ["base", "types of kubernetes", "agent"],
  "agent/engine/engine-thread-main.ts": ["base", "agent/engine", "agent/engine/engine-work.ts"],
  "agent/engine/engine-work.ts": ["base", "agent/*", "repository/*", "backup", "restore", "snapshot", "volume"],
  "agent/observability": ["base", "agent", "types of agent/engine", "types of agent/velero"],
  "agent/jobs": [
    "base",
    "kubernetes",
    "agent",
    "agent/velero",
    "agent/node",
    "types of agent/engine",
    "agent/observability",
  ],
  agent: ["base", "kubernetes", "agent/*"],
  doctor: [
    "base",
    "types of kernel",
    "repository/*",
    "kubernetes",
    "agent",
    "agent/velero",
    "agent/node",
    "types of agent/engine",
  ],
  cli: [
    "base",
    "types of kernel",
    "repository/*",
    "snapshot",
    "inspect",
    "volume",
    "backup",
    "restore",
    "kubernetes",
    "agent/*",
    "doctor",
  ],
};

interface Import {
  /** Path below src/. */
  readonly from: string;
  /** Path below src/, or the name of a package. */
  readonly to: string;
  readonly kind: "file" | "package" | "node";
  readonly typesOnly: boolean;
  /** Whether it happens when the file is loaded, and not where it is called for. */
  readonly isStatic: boolean;
}

const sources = globSync("**/*.ts", { cwd: join(root, "src") }).sort();
const imports = sources.flatMap(importsOf);

describe("imports", () => {
  it("are found", () => {
    assert.ok(sources.length > 100 && imports.length > 400, `${imports.length} imports in ${sources.length} files`);
  });

  it("point down the table of areas, never up and never sideways", () => {
    const wrong = imports.filter(({ from, to, kind, typesOnly }) => {
      return kind === "file" && !isAllowed(areaOf(from), areaOf(to), typesOnly);
    });
    assert.deepEqual(wrong.map(describeImport), []);
  });

  it("form no cycles", () => {
    assert.deepEqual(findCycle(), []);
  });

  it("name files by their endings and Node's modules by their scheme", () => {
    const declared = Object.keys(packageFile().dependencies);
    const wrong = imports.filter(({ to, kind }) => {
      return kind === "file" ? !existsSync(join(root, "src", to)) : kind === "package" && !declared.includes(to);
    });
    assert.deepEqual(wrong.map(describeImport), []);
  });
});

describe("the daemon's main thread", () => {
  // Of what is imported only where it is called for, all that the daemon can call for counts.
  const isDaemons = (file: string): boolean => file === "cli/agent.ts" || /^(agent|kubernetes)\//.test(file);
  const reached = (isPossible: (seen: Import) => boolean): readonly Import[] => {
    const found = new Set<Import>();
    const files = new Set(["cli/main.ts"]);
    for (const file of files) {
      for (const seen of imports) {
        if (seen.from !== file || seen.typesOnly || !(seen.isStatic || isDaemons(file)) || !isPossible(seen)) continue;
        found.add(seen);
        if (seen.kind === "file") files.add(seen.to);
      }
    }
    return [...found];
  };

  it("imports nothing of the engine, which is its other thread's", () => {
    const all = reached(() => true);
    assert.ok(all.some(({ to }) => to === "agent/engine/engine-thread.ts") && all.some(({ to }) => to === "chokidar"));
    const engine = /^(repository|kernel|snapshot|volume|backup|restore)\/|^(@aws-sdk\/.*|@noble\/.*|koffi)$/;
    assert.deepEqual(all.filter(({ to }) => engine.test(to)).map(describeImport), []);
  });

  it("imports few packages in a pod, and others only for a kubeconfig or a folder", () => {
    const elsewhere = ["kubernetes/kubeconfig-connection.ts", "kubernetes/folder-resource-store.ts"];
    const all = reached(({ to }) => !elsewhere.includes(to));
    assert.ok(all.some(({ to }) => to === "kubernetes/api-resource-store.ts"));
    const packages = all.flatMap(({ kind, to }) => (kind === "package" ? [to] : []));
    assert.deepEqual([...new Set(packages)].sort(), ["commander", "pino", "prom-client"]);
  });

  it("imports parts of prom-client by their own files, for the whole is nine times as large", () => {
    const whole = sources.filter((file) => /\bfrom "prom-client"|import\("prom-client"\)/.test(source(file)));
    assert.deepEqual(whole, ["agent/observability/prom-client-parts.d.ts"]);
  });
});

describe("a dependency", () => {
  const used = new Set(imports.flatMap(({ kind, to }) => (kind === "package" ? [to] : [])));
  const dependencies = Object.keys(packageFile().dependencies);

  it("is imported by something, or starts the program", () => {
    const launcher = readFileSync(join(root, "src", "launch.mjs"), "utf8");
    const idle = dependencies.filter((name) => !used.has(name) && !launcher.includes(`"${name}/package.json"`));
    assert.deepEqual(idle, []);
  });

  it("has a page that says why", () => {
    const pages = dependencies.map((name) => `docs/decisions/${name.replace("@", "").replace("/", "-")}.md`);
    assert.deepEqual(
      pages.filter((page) => !existsSync(join(root, page))),
      [],
    );
  });

  it("is pinned to one version", () => {
    const { dependencies: runtime, devDependencies } = packageFile();
    const loose = Object.entries({ ...runtime, ...devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+$/.test(version),
    );
    assert.deepEqual(loose, []);
  });
});

describe("a file", () => {
  const ownFiles = globSync(
    ["src/**/*", "test/**/*", "bench/**/*", "daemonset/**/*", "docs/**/*", ".ci/**/*", "*.{json,md}", ".*"],
    {
      cwd: root,
      withFileTypes: true,
      exclude: (entry) => ["node_modules", ".git", ".build"].includes(entry.name),
    },
  )
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();

  it("is called in kebab-case", () => {
    const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/;
    const wrong = ownFiles.filter((file) => /^(src|test|bench|docs)\//.test(file) && !kebab.test(basename(file)));
    assert.deepEqual(
      wrong.filter((file) => basename(file) !== "README.md"),
      [],
    );
  });

  it("is called for its concept", () => {
    const vague = /^(index|(.*-)?(utils?|helpers?|common|misc|shared|manager)(-.*)?)\.(ts|mjs)$/;
    assert.deepEqual(
      ownFiles.filter((file) => vague.test(basename(file))),
      [],
    );
  });

  it("hands nothing on that another file exports", () => {
    const barrels = sources.filter((file) => /^export\s[^;=({]*(\{[^}]*\})?\s*from\s+"/m.test(source(file)));
    assert.deepEqual(barrels, []);
  });

  it("says why where it drops an error", () => {
    const silent = sources.flatMap((file) => {
      const text = source(file);
      const places = [...text.matchAll(/\bcatch \{|\.catch\(\(\) => (?:undefined|\{\s*\})\)/g)];
      return places
        .filter(({ index }) => !isExplained(text, index))
        .map(({ index }) => `${file}:${lineOf(text, index)}`);
    });
    assert.deepEqual(silent, []);
  });

  it("leaves nothing to be done, and knows no machine", () => {
    // Put together, so that this file does not contain them.
    const never = [
      ["TO", "DO"],
      ["FIX", "ME"],
      ["XX", "X"],
      ["/wo", "rk/"],
      ["/ro", "ot/"],
      ["/tm", "p/"],
      ["/ho", "me/"],
    ];
    const patterns = never.map((parts) => parts.join(""));
    const wrong = ownFiles.flatMap((file) => {
      if (file === "package-lock.json" || basename(file) === "go.sum") return []; // Digests, which may spell anything.
      const text = readFileSync(join(root, file), "utf8");
      return patterns.flatMap((pattern) => (text.includes(pattern) ? [`${file}: ${pattern}`] : []));
    });
    assert.deepEqual(wrong, []);
  });
});

function importsOf(file: string): Import[] {
  const text = source(file).replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, "");
  const found = [
    ...text.matchAll(/^(?<static>import|export)\s+(?<type>type\s)?[^;"]*?\bfrom\s+"(?<to>[^"]+)"/gm),
    ...text.matchAll(/^(?<static>import)\s+"(?<to>[^"]+)"/gm),
    ...text.matchAll(/\bimport\("(?<to>[^"]+)"\)/g),
  ];
  return found.map(({ groups }) => {
    const to = groups?.to ?? "";
    const common = { from: file, typesOnly: groups?.type !== undefined, isStatic: groups?.static !== undefined };
    if (to.startsWith(".")) return { ...common, to: join(dirname(file), to), kind: "file" };
    if (to.startsWith("node:")) return { ...common, to, kind: "node" };
    return { ...common, to: /^(@[^/]+\/)?[^/]+/.exec(to)?.[0] ?? to, kind: "package" };
  });
}

function areaOf(file: string): string {
  const areas = Object.keys(mayImport).filter((area) => file === area || file.startsWith(`${area}/`));
  const longest = areas.reduce((longer, area) => (area.length > longer.length ? area : longer), "");
  assert.notEqual(longest, "", `src/${file} lies in an area of the table`);
  return longest;
}

function isAllowed(from: string, to: string, typesOnly: boolean): boolean {
  if (from === to) return true;
  return (mayImport[from] ?? []).some((rule) => {
    const [, types, area = "", below] = /^(types of )?(.+?)(\/\*)?$/.exec(rule) ?? [];
    if (types !== undefined && !typesOnly) return false;
    return to === area || (below !== undefined && to.startsWith(`${area}/`));
  });
}

/** The files of one cycle, first and last the same; none when there is none. Types count: they tie files together too. */
function findCycle(): string[] {
  const state = new Map<string, "open" | "done">();
  const path: string[] = [];
  const visit = (file: string): string[] => {
    if (state.get(file) === "done") return [];
    path.push(file);
    if (state.get(file) === "open") return path.slice(path.indexOf(file));
    state.set(file, "open");
    for (const { from, to, kind } of imports) {
      if (from !== file || kind !== "file") continue;
      const cycle = visit(to);
      if (cycle.length > 0) return cycle;
    }
    state.set(file, "done");
    path.pop();
    return [];
  };
  for (const file of sources) {
    const cycle = visit(file);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

/** A remark within the block, at the end of the line, or in the line above. */
function isExplained(text: string, index: number): boolean {
  const blockEnd = text.startsWith("catch {", index) ? text.indexOf("\n  }", index) : index;
  const start = text.lastIndexOf("\n", text.lastIndexOf("\n", index) - 1);
  const end = text.indexOf("\n", Math.max(index, blockEnd));
  return text.slice(start, end).includes("//");
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

function describeImport({ from, to, typesOnly }: Import): string {
  return `src/${from} imports ${typesOnly ? "types of " : ""}${to}`;
}

function source(file: string): string {
  return readFileSync(join(root, "src", file), "utf8");
}

function packageFile() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly devDependencies: Readonly<Record<string, string>>;
  };
}
