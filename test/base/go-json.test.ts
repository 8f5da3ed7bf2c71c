import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { hasCode } from "../../src/base/errors.ts";
import {
  type GoJsonValue,
  goJson,
  goMap,
  goString,
  goText,
  JsonDecimal,
  JsonError,
  type JsonRange,
  jsonDepthMax,
  parseJsonRange,
  parseLossless,
  scanJsonArray,
  scanJsonObject,
} from "../../src/base/go-json.ts";

const toUtf8 = (text: string): Buffer => Buffer.from(text, "utf8");
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

function membersOf(text: string): Record<string, unknown> {
  const json = toUtf8(text);
  return Object.fromEntries([...scanJsonObject(json)].map(({ key, value }) => [key, parseJsonRange(json, value)]));
}

const isJsonError = (error: unknown): boolean =>
  error instanceof JsonError && error.code === "JSON_INVALID" && typeof error.detail.offset === "number";

describe("goString", () => {
  const cases: [what: string, text: string, literal: string][] = [
    ["plain ASCII", "a.txt", '"a.txt"'],
    ["quotes and backslashes", 'q"b\\', '"q\\"b\\\\"'],
    ["what HTML would mind", "<b>&", '"\\u003cb\\u003e\\u0026"'],
    ["short control escapes", "\b\f\n\r\t", '"\\b\\f\\n\\r\\t"'],
    ["other controls", "\0\u0001\u001f", '"\\u0000\\u0001\\u001f"'],
    ["line separators", "\u2028\u2029", '"\\u2028\\u2029"'],
    ["DEL and the C1 controls, raw", "\u007f\u0080\u009f", '"\u007f\u0080\u009f"'],
    ["Unicode, raw", "ünïcödé-日本語-🚀\ufeff", '"ünïcödé-日本語-🚀\ufeff"'],
    ["a real U+FFFD, raw", "\ufffd", '"\ufffd"'],
  ];
  for (const [what, text, literal] of cases) {
    it(`writes ${what} as Go does`, () => {
      assert.equal(goString(text), literal);
      assert.equal(goString(toUtf8(text)), literal);
    });
  }

  const bad: [what: string, name: Uint8Array, text: string][] = [
    ["a lone byte", bytes(0x61, 0xff, 0x62), "a?b"],
    ["a sequence cut short, byte by byte", bytes(0xe2, 0x82), "??"],
    ["a sequence cut short before a letter", bytes(0xf0, 0x9f, 0x9a, 0x61), "???a"],
    ["a surrogate", bytes(0xed, 0xa0, 0x80), "???"],
    ["an overlong slash", bytes(0xc0, 0xaf, 0xe0, 0x80, 0xaf), "?????"],
    ["beyond U+10FFFF", bytes(0xf4, 0x90, 0x80, 0x80, 0xf5), "?????"],
    ["a stray continuation after a good rune", bytes(0xc3, 0xa9, 0xa9), "é?"],
  ];
  for (const [what, name, text] of bad) {
    it(`replaces each bad byte: ${what}`, () => {
      assert.equal(goString(name), `"${text.replaceAll("?", "\\ufffd")}"`);
      assert.equal(goText(name), text.replaceAll("?", "\ufffd"));
    });
  }

  it("tells a bad byte from a real U+FFFD beside it", () => {
    assert.equal(goString(bytes(0xef, 0xbf, 0xbd, 0xff)), '"\ufffd\\ufffd"');
  });

  it("replaces a lone surrogate of a JavaScript string", () => {
    assert.equal(goString("a\ud800b\udc00"), '"a\\ufffdb\\ufffd"');
  });

  it("gives ASCII-safe JSON that reads back as the text, for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (name) => {
        assert.equal(JSON.parse(goString(name)), goText(name));
      }),
    );
  });
});

describe("goJson", () => {
  it("keeps the order of keys and leaves undefined ones out", () => {
    assert.equal(
      goJson({ b: 1, a: [true, null, 9223372036854775807n], c: undefined, d: {}, e: [], f: -0 }),
      '{"b":1,"a":[true,null,9223372036854775807],"d":{},"e":[],"f":0}',
    );
  });

  it("sorts the keys of a map by their bytes, where JavaScript has other ideas", () => {
    assert.equal(
      goMap({ "10": "ten", "9": "nine", "\u{1f600}": "b", "\uff5e": "a" }),
      '{"10":"ten","9":"nine","\uff5e":"a","\u{1f600}":"b"}',
    );
  });

  it("refuses numbers that Go would not read as integers", () => {
    for (const value of [1.5, Number.NaN, 2 ** 53]) assert.throws(() => goJson(value), { code: "JSON_INVALID" });
  });

  it("refuses to nest without end", () => {
    const value: { self?: unknown } = {};
    value.self = value;
    assert.throws(() => goJson(value as GoJsonValue), { code: "JSON_INVALID" });
  });
});

describe("parseLossless", () => {
  it("keeps integers beyond 2^53 and gives the others as numbers", () => {
    assert.deepEqual(parseLossless('{"a":9223372036854775807,"b":-9007199254740993,"c":9007199254740991,"d":[0]}'), {
      a: 9223372036854775807n,
      b: -9007199254740993n,
      c: 9007199254740991,
      d: [0],
    });
  });

  it("keeps the spelling of other numbers, so that 1.0 is not taken for 1", () => {
    const literals = ["1.0", "1e3", "-1.5E-7", "1".repeat(50)];
    const values = parseLossless(`[${literals}]`);
    assert.deepEqual(
      values,
      literals.map((literal) => new JsonDecimal(literal)),
    );
    assert.equal(goJson(values as JsonDecimal[]), `[${literals}]`);
  });

  it("gives back what goJson wrote", () => {
    const leaf = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.maxSafeInteger(),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
      fc.boolean(),
      fc.constant(null),
    );
    const key = fc.string({ unit: "binary", maxLength: 5 });
    const tree = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4, depthSize: "small" },
        leaf,
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
      ),
    })).value;
    fc.assert(
      fc.property(tree, (value) => {
        assert.deepEqual(parseLossless(goJson(value as GoJsonValue)), value);
      }),
    );
  });

  it("agrees with JSON.parse on what is JSON", () => {
    const pieces = fc.array(
      fc.constantFrom(
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"',
        '"a"',
        "0",
        "1",
        "-",
        ".",
        "e5",
        "true",
        "nul",
        "null",
        " ",
        "\\",
      ),
      { maxLength: 10 },
    );
    fc.assert(
      fc.property(
        pieces.map((parts) => parts.join("")),
        (text) => {
          assert.equal(
            succeeds(() => parseLossless(text)),
            succeeds(() => JSON.parse(text)),
            text,
          );
        },
      ),
      { numRuns: 2000 },
    );
  });

  const malformed = [
    "",
    " ",
    "{",
    '{"a"}',
    '{"a":1,}',
    "[1,]",
    "[1 2]",
    '"\n"',
    '"\\x"',
    '"\\u12g4"',
    "01",
    "1.",
    "-",
    "1e",
    "nul",
    "{} {}",
    "\ufeff{}",
    "{'a':1}",
    '"abc',
  ];
  for (const text of malformed) {
    it(`names the place of the trouble in ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseLossless(text), isJsonError);
    });
  }

  it("refuses a depth bomb instead of exhausting the stack", () => {
    assert.throws(() => parseLossless("[".repeat(1_000_000)), isJsonError);
    assert.throws(() => parseLossless('{"a":'.repeat(1_000_000)), isJsonError);
    assert.doesNotThrow(() => parseLossless("[".repeat(jsonDepthMax) + "]".repeat(jsonDepthMax)));
  });

  it("reads bad bytes within strings as Go does, and refuses them elsewhere", () => {
    assert.equal(parseLossless(bytes(0x22, 0x61, 0xff, 0xe2, 0x82, 0x22)), "a\ufffd\ufffd\ufffd");
    assert.throws(() => parseLossless(bytes(0xff)), isJsonError);
  });
});

describe("scanJsonObject", () => {
  it("gives each member in order, with its kind", () => {
    const json = toUtf8(' { "a\\u0062" : [1, {"x":"]"}] , "n":null,"t":true,"s":"}","i":-12,"o":{"k":[]} } trailing');
    assert.deepEqual(
      [...scanJsonObject(json)].map(({ key, value }) => [key, value.kind, parseJsonRange(json, value)]),
      [
        ["ab", "array", [1, { x: "]" }]],
        ["n", "null", null],
        ["t", "literal", true],
        ["s", "string", "}"],
        ["i", "number", -12],
        ["o", "object", { k: [] }],
      ],
    );
  });

  it("takes an empty object and refuses anything else", () => {
    assert.deepEqual(membersOf("{}"), {});
    for (const text of ["[]", "null", "", '{"a":1', '{"a":1,}', "{,}", '{"a" 1}']) {
      assert.throws(() => membersOf(text), isJsonError, text);
    }
  });

  it("gives the elements of an array one at a time", () => {
    const json = toUtf8('{"list":[1, "two",[3],{"four":4}],"none":[ ]}');
    const lists = new Map([...scanJsonObject(json)].map(({ key, value }) => [key, value]));
    const elements = (key: string): unknown[] =>
      [...scanJsonArray(json, lists.get(key) as JsonRange)].map((range) => parseJsonRange(json, range));
    assert.deepEqual(elements("list"), [1, "two", [3], { four: 4 }]);
    assert.deepEqual(elements("none"), []);
  });

  it("finds the same members as JSON.parse, for any object", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 3 })), (object) => {
        const json = toUtf8(JSON.stringify(object));
        const parsed = JSON.parse(json.toString()) as object;
        const seen = [...scanJsonObject(json)].map(({ key, value }) => [
          key,
          JSON.parse(json.toString("utf8", value.start, value.end)),
        ]);
        assert.deepEqual(Object.fromEntries(seen), parsed);
      }),
    );
  });

  it("gives a value or a coded error for any change of the bytes, never anything else", () => {
    const original = toUtf8('{"stream":"x","entries":[{"a":1,"b":"\\u0026"},null],"n":-1.5e3}');
    fc.assert(
      fc.property(fc.nat(original.length - 1), fc.uint8Array({ maxLength: 4 }), fc.nat(4), (at, insert, drop) => {
        const changed = Buffer.concat([original.subarray(0, at), insert, original.subarray(at + drop)]);
        try {
          for (const { value } of scanJsonObject(changed)) {
            parseJsonRange(changed, value);
            if (value.kind === "array")
              for (const range of scanJsonArray(changed, value)) parseJsonRange(changed, range);
          }
        } catch (error) {
          assert(hasCode(error, "JSON_INVALID"), String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

function succeeds(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
