import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { fromUtf8, toUtf8 } from "../../../src/base/bytes.ts";
import {
  type BlobLayout,
  blobOfFile,
  bucketLayout,
  layoutToldBy,
  locateBlob,
  mayHold,
  shardedLayout,
} from "../../../src/repository/blob/blob-layout.ts";
import { type BlobId, parseBlobId } from "../../../src/repository/blob/blob-store.ts";
import {
  createdSharding,
  encodeSharding,
  flatSharding,
  legacySharding,
  parseSharding,
  type Sharding,
  shardsFileBytesMax,
} from "../../../src/repository/blob/sharding.ts";
import { coded } from "../../contracts/blob-store.contract.ts";

describe("the path of a blob", () => {
  const overridden: Sharding = {
    shards: [3, 2, 1],
    maxNonShardedLength: 2,
    overrides: [
      { prefix: "p", shards: [2, 2] },
      { prefix: "x", shards: [1, 1, 1] },
    ],
  };
  const everyLength: Sharding = { shards: [3, 3], maxNonShardedLength: 0, overrides: [] };

  // The first two groups are kopia's own: repo/blob/sharded/sharded_test.go.
  const table: readonly (readonly [Sharding, string, string])[] = [
    [overridden, "ab", "ab.f"],
    [overridden, "defaultsharded", "def/au/l/tsharded.f"],
    [overridden, "phello", "ph/el/lo.f"],
    [overridden, "xbye", "x/b/y/e.f"],
    [overridden, "xo", "xo.f"],
    [everyLength, "foo", "foo.f"],
    [everyLength, "foob", "foo/b.f"],
    [everyLength, "foobar", "foo/bar.f"],
    [everyLength, "foobar2", "foo/bar/2.f"],
    [createdSharding, "kopia.repository", "kopia.repository.f"],
    [createdSharding, "kopia.repository.backup.me", "k/opi/a.repository.backup.me.f"],
    [createdSharding, "xw1700000000", "xw1700000000.f"],
    [createdSharding, "a2345678901234567890", "a2345678901234567890.f"],
    [createdSharding, "a23456789012345678901", "a/234/56789012345678901.f"],
    [{ ...createdSharding, shards: [0, 1, 0, 3, 0] }, "p8443e18bb3a4c9a0d1f2e", "p/844/3e18bb3a4c9a0d1f2e.f"],
    [{ ...createdSharding, shards: [30, 1] }, "p8443e18bb3a4c9a0d1f2e", "p8443e18bb3a4c9a0d1f2e.f"],
    [flatSharding, "p8443e18bb3a4c9a0d1f2e", "p8443e18bb3a4c9a0d1f2e.f"],
  ];
  for (const [sharding, id, path] of table) {
    test(`${id} lies at ${path} with shards ${JSON.stringify(sharding.shards)}`, () => {
      assert.equal(pathOf(shardedLayout(sharding), parseBlobId(id)), path);
    });
  }

  test("a bucket dump has the id for a name", () => {
    assert.equal(pathOf(bucketLayout, parseBlobId("p8443e18bb3a4c9a0d1f2e")), "p8443e18bb3a4c9a0d1f2e");
  });

  test("an id that would lead out of the repository is refused", () => {
    const id = parseBlobId("a..etc-and-so-on-and-so-forth");
    assert.throws(() => pathOf(shardedLayout({ ...createdSharding, shards: [1, 2] }), id), coded("BLOB_ID_INVALID"));
    assert.throws(() => pathOf(shardedLayout({ ...createdSharding, shards: [1, 1] }), id), coded("BLOB_ID_INVALID"));
    assert.equal(pathOf(shardedLayout(createdSharding), id), "a/..e/tc-and-so-on-and-so-forth.f");
  });

  test("no id and no sharding lead out of the repository, and the way back gives the id", () => {
    fc.assert(
      fc.property(layouts, ids, (layout, id) => {
        const located = locatedOrRefused(layout, id);
        if (located === undefined) return;
        const { folders, file } = located;
        const path = join("/repository", ...folders, file);
        assert.equal(path, ["/repository", ...folders, file].join("/"));
        assert.equal(blobOfFile(layout, folders.join(""), file), id);
      }),
    );
  });

  test("every folder on the way to a blob is walked for every prefix of its id", () => {
    fc.assert(
      fc.property(layouts, ids, fc.nat(250), (layout, id, length) => {
        const folders = locatedOrRefused(layout, id)?.folders ?? [];
        for (let depth = 1; depth <= folders.length; depth++) {
          assert.ok(mayHold(layout, folders.slice(0, depth).join(""), id.slice(0, length)));
        }
      }),
    );
  });
});

describe("a listing", () => {
  const layout = shardedLayout(createdSharding);

  test("passes over folders that cannot hold the prefix", () => {
    assert.equal(mayHold(layout, "p", "x"), false);
    assert.equal(mayHold(layout, "p844", "p845"), false);
    assert.equal(mayHold(layout, "p844", "p8"), true);
    assert.equal(mayHold(layout, "p", "p844"), true);
    assert.equal(mayHold(layout, "p", ""), true);
    assert.equal(mayHold(layout, ".git", ""), false);
    assert.equal(mayHold(layout, "x".repeat(251), ""), false);
    assert.equal(mayHold(bucketLayout, "p", ""), false);
  });

  test("passes over files that are no blobs", () => {
    for (const name of [".shards", "p123", ".f", ".tmp.0123456789abcdef", "x.f.tmp.0123456789abcdef", "a b.f", "é.f"]) {
      assert.equal(blobOfFile(layout, "", name), undefined, name);
    }
    assert.equal(blobOfFile(bucketLayout, "", ".tmp.0123456789abcdef"), undefined);
    assert.equal(blobOfFile(bucketLayout, "", "p123"), "p123");
  });
});

describe("where .shards is missing", () => {
  test("a pack beside the format blob tells of a flat repository, a folder of one letter of kopia's own layout", () => {
    const told = (name: string, isFolder: boolean): readonly number[] | undefined =>
      layoutToldBy({ name, isFolder })?.sharding.shards;
    assert.deepEqual(told("p25e2f6fdf39025b1783d88c12b5b4bed-s870049c00c1406a2147.f", false), []);
    assert.deepEqual(told("p", true), [1, 3]);
    assert.deepEqual(told("x", true), [1, 3]);
    for (const name of [
      "kopia.repository.f",
      "xe12.f",
      "xw1700000000.f",
      "readme-of-some-length.f",
      "p1234567890123456789.f",
    ]) {
      assert.equal(told(name, false), undefined, name);
    }
    for (const name of ["p84", "a", "lost+found", "p25e2f6fdf39025b1783d88c12b5b4bed.f"]) {
      assert.equal(told(name, true), undefined, name);
    }
  });
});

describe("the file .shards", () => {
  test("is written as kopia writes it", () => {
    assert.equal(fromUtf8(encodeSharding(createdSharding)), '{"default":[1,3],"maxNonShardedLength":20}\n');
    assert.equal(fromUtf8(encodeSharding(legacySharding)), '{"default":[3,3],"maxNonShardedLength":20}\n');
    assert.equal(fromUtf8(encodeSharding(flatSharding)), '{"default":[],"maxNonShardedLength":20}\n');
    const overrides = [{ prefix: "<p>", shards: [2] }];
    assert.equal(
      fromUtf8(encodeSharding({ ...flatSharding, overrides })),
      '{"default":[],"maxNonShardedLength":20,"overrides":[{"prefix":"\\u003cp\\u003e","shards":[2]}]}\n',
    );
  });

  test("is read with blanks, keys that nobody knows, and overrides of null", () => {
    const text = '\n{ "maxNonShardedLength": 3, "default": [2], "overrides": null, "later": {"a": 1} } ';
    assert.deepEqual(parseSharding(toUtf8(text)), { shards: [2], maxNonShardedLength: 3, overrides: [] });
  });

  test("any sharding is read as it was written", () => {
    fc.assert(
      fc.property(shardings, (sharding) => assert.deepEqual(parseSharding(encodeSharding(sharding)), sharding)),
    );
  });

  for (const [what, text] of [
    ["nothing", ""],
    ["no JSON", "{"],
    ["two values", '{"default":[],"maxNonShardedLength":20}{}'],
    ["a list", "[1,3]"],
    ["null", "null"],
    ["no default", '{"maxNonShardedLength":20}'],
    ["no maxNonShardedLength", '{"default":[1,3]}'],
    ["a number for default", '{"default":1,"maxNonShardedLength":20}'],
    ["a negative length", '{"default":[-1],"maxNonShardedLength":20}'],
    ["a negative zero", '{"default":[-0],"maxNonShardedLength":20}'],
    ["half a character", '{"default":[1.5],"maxNonShardedLength":20}'],
    ["a length as text", '{"default":["1"],"maxNonShardedLength":20}'],
    ["a length beyond all", '{"default":[1e300],"maxNonShardedLength":20}'],
    ["a key in another case", '{"default":[1],"maxNonShardedLength":20,"Default":[3]}'],
    ["overrides that are no list", '{"default":[1],"maxNonShardedLength":20,"overrides":{}}'],
    ["an override without shards", '{"default":[1],"maxNonShardedLength":20,"overrides":[{"prefix":"p"}]}'],
    ["an override without prefix", '{"default":[1],"maxNonShardedLength":20,"overrides":[{"shards":[1]}]}'],
    ["more than it may", `{"default":[1],"maxNonShardedLength":20}${" ".repeat(shardsFileBytesMax)}`],
  ] as const) {
    test(`with ${what} in it is BLOB_STORE_INVALID`, () => {
      assert.throws(() => parseSharding(toUtf8(text)), coded("BLOB_STORE_INVALID"));
    });
  }

  test("with any bytes in it gives a sharding or BLOB_STORE_INVALID", () => {
    const golden = encodeSharding({ ...createdSharding, overrides: [{ prefix: "p", shards: [2, 2] }] });
    fc.assert(
      fc.property(fc.nat(golden.byteLength - 1), fc.nat(255), (at, byte) => {
        const mutated = golden.slice();
        mutated[at] = byte;
        try {
          parseSharding(mutated);
        } catch (error) {
          assert.ok(coded("BLOB_STORE_INVALID")(error), String(error));
        }
      }),
    );
  });
});

describe("a blob id", () => {
  test("is printable ASCII without slashes, does not begin with a dot, and has 1 to 250 characters", () => {
    for (const text of ["", ".", "..", ".shards", "a/b", "a b", "é", "a\n", "a\0", "x".repeat(251)]) {
      assert.throws(() => parseBlobId(text), coded("BLOB_ID_INVALID"), JSON.stringify(text));
    }
    for (const text of ["a", "a..b", "x".repeat(250), "_log_", "~!\\"]) assert.equal(parseBlobId(text), text);
  });
});

/** As JSON.parse makes them: assert tells objects without prototype from these. */
const plain = { noNullPrototype: true };
const shards = fc.array(fc.nat(5), { maxLength: 5 });
const shardings: fc.Arbitrary<Sharding> = fc.record(
  {
    shards,
    maxNonShardedLength: fc.nat(30),
    overrides: fc.array(fc.record({ prefix: fc.string({ maxLength: 3 }), shards }, plain), { maxLength: 3 }),
  },
  plain,
);
const layouts: fc.Arbitrary<BlobLayout> = fc.oneof(
  shardings.map(shardedLayout),
  fc.constantFrom(bucketLayout, shardedLayout(createdSharding), shardedLayout(legacySharding)),
);
const ids = fc
  .stringMatching(/^[\x21-\x2d\x30-\x7e][\x21-\x2e\x30-\x7e]{0,249}$/)
  .map((text) => parseBlobId(text.slice(0, 250)));

function locatedOrRefused(layout: BlobLayout, id: BlobId): ReturnType<typeof locateBlob> | undefined {
  try {
    return locateBlob(layout, id);
  } catch (error) {
    assert.ok(coded("BLOB_ID_INVALID")(error), String(error));
    return undefined;
  }
}

function pathOf(layout: BlobLayout, id: BlobId): string {
  const { folders, file } = locateBlob(layout, id);
  return [...folders, file].join("/");
}
