/**
 * What other programs compressed: S2 and Snappy by github.com/klauspost/compress 1.18.6, LZ4 by github.com/pierrec/lz4 4.1.33,
 * which kopia used, and the linked blocks by the lz4 program 1.9.4 (`-BD -B4 -BX --content-size`).
 */

const words = ["volume", "snapshot", "pack", "index", "epoch", "blob", "folder", "pod", "backup", "restore"];

/** Words, runs of one byte each, and the first words again: literals, copies of each width, and long repeats. */
function text(...runs: readonly number[]): Uint8Array {
  let x = 1;
  const next = (): number => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
  const word = (): Buffer => Buffer.from(`${words[next() % words.length]} `);
  const parts: Buffer[] = [];
  for (let i = 0; i < 200; i++) parts.push(word());
  for (const count of runs) parts.push(Buffer.alloc(count, next() & 0xff), word());
  const once = Buffer.concat(parts);
  return Buffer.concat([once, once.subarray(0, 1000)]);
}

const short = text(10, 100, 1000);
const long = text(10, 100, 1000, 70_000, 70_000);

export interface CompressedVector {
  readonly name: string;
  readonly compressionId: number;
  readonly plain: Uint8Array;
  readonly stream: Uint8Array;
}

export const compressedVectors: readonly CompressedVector[] = [
  {
    name: "S2",
    compressionId: 0x1200,
    plain: long,
    stream: Buffer.from(
      "/wYAAFMyc1R3TwAcAgCuqXQY4eAIHHJlc3RvcmUgEQiMc25hcHNob3QgYmxvYiBpbmRleCBlcG9jaCBwYWNrIHZvbHVtGS4McGFjaxUNCS0o" +
        "cGFjayBiYWNrdXAVJx0aEGVwb2NoFRkIcG9kFQwMYmxvYjYRAAlFPGJsb2IgYmxvYiBmb2xkZXIZowxwYWNrDQAdCw2jNgcACXcuBgAJOAkG" +
        "MscAEZwJGy4GAA1TGZEMYmxvYhmPCV4IcG9kLTENry0MDQcIcG9kGTIu1gANIAlwDWoNQg0HDRURoA0WCXYVhQ0lCRYNIwlUDHBhY2sZKClu" +
        "Lr8BCTMNQC7tAQ0TCUYVQTLJAAk8bhwADUURvRUrDaMRGA0nDQcNHQ0HDGJsb2I+KQAVSAxwYWNrOuMACbEYcG9kIHBvZE3LDHBhY2sVUElg" +
        "CHBvZFHXXaIJPQ0qCd8NlQkNFXkNFgkwHHBvZCBibG9iMc4NBzozAAxibG9iDRQNIQ0HDUwNDhVjDYYNFzECDRYNNBEWFTUNLkmtCY4NpDUq" +
        "ETRZDBU+DV0NRQ0OCUAJBg13NiEAEVEVRw0ffZ4yawMNWA1MMlkADRQRUgkcMnQCDSIVbBUJHW4RPwninVwRGVk3ebgNWRRibG9iIIUVAQ2s" +
        "AMkRARUAUxXKAGwRARkA2wKNcgD6EQEdAGMRABeDFwEAAHgRAR0AYxEAGxQoAgAfgicCABEII/UmAgD/eSwCABkAiwI=",
      "base64",
    ),
  },
  {
    name: "S2 by its better writer",
    compressionId: 0x1200,
    plain: long,
    stream: Buffer.from(
      "/wYAAFMyc1R3TwDXAQCuqXQY4eAIHHJlc3RvcmUgEQiMc25hcHNob3QgYmxvYiBpbmRleCBlcG9jaCBwYWNrIHZvbHVtGS4FFBENCS0FExRi" +
        "YWNrdXAVJx0aCUwRGQhwb2QVJQVxMhEACUUFGAUFFGZvbGRlchmjBWsdXAkLDaM2BwAJdy4GAAktHT4RdxEILiEAMloAGZEFChWPLScEb2Qt" +
        "MQ2vEccJzgEfFTIu1gANJzJqAA1CDQcNFRGgDRYJdhVTDSUyggAd5RUoBXsyvwEJMw1ALu0BDRMJRhVBMskAOoUAShwADUURvRUeDaMRGA0n" +
        "DQcNHQ0HBbM6KQAVSAWxNuMADfcEb2QFkA0OQcURUDmSDXBdogkvDSoywwA67AANFg1fBG9kCactzg0HOjMABckJFA0hDQcNTA0OFTANhg0X" +
        "MQINFg00ERYVNQ0uLo4ADaQ1KhE0WQwVPg1dDUUNDk4MAzIhABFRFUcNQD6pAxEoDTcNTDJZAA0HESoNuy5YAg0iFWwVCR1uET9CXAQRGVk3" +
        "ebgNWQU0AIUVAQ2sAMkRARUAUxXKAGwRARkA2wKNcgD6EQEdAGMRABeDFwEAAHgRAR0AYxEAGxQoAgAfgicCABEII/UmAgD/eSwCABkAiwI=",
      "base64",
    ),
  },
  {
    name: "S2 by its best writer",
    compressionId: 0x1200,
    plain: long,
    stream: Buffer.from(
      "/wYAAFMyc1R3TwCqAQCuqXQY4eAIHHJlc3RvcmUgEQiMc25hcHNob3QgYmxvYiBpbmRleCBlcG9jaCBwYWNrIHZvbHVtGS4FFBENCS0FExRi" +
        "YWNrdXBOGgAJTBEZCHBvZBUMBXEyEQAJRQUYBQUUZm9sZGVyGaMFUR1cCQsNozYHAAl3LgYACS0dPj4KAS4hADJaABmRBQUVjwlYAcIJCg2v" +
        "EccJBwEfFTIu1gANIDJqAA0bDQc6fAENFglsFVMy8AANIx3lNnsAMvgACTMNQC7tAQ0HCUYVQTLJADqFAEocADq9ABUeDaMRGDZzADYAAQWz" +
        "OikAFUgFsTbjAA33BG9kBQQ9BTZyAQEdLvYALh8CMmQBMlsBFWYyHgEBTAWnNvUBOjMABSIJFDYoAFFhCQ4VMDawADoAAl5ZARFaHY49AzL6" +
        "AVkMWnMAMkgCNgwDMiEAXoUAPqkDVsMAMlkAOtcAOV8VXD4CAhUJHW5iXAQRCDkNebgR2wE0AIUVAQ2sAMkRARUAUxXKAGwRARkA2wKNcgD6" +
        "EQEdAGMRABfvFQEAAHgRAR0AYxEAO8coAgD/eSwCABkAnAI=",
      "base64",
    ),
  },
  {
    name: "Snappy",
    compressionId: 0x1200,
    plain: short,
    stream: Buffer.from(
      "/wYAAHNOYVBwWQAWAwBnnoVp9BoccmVzdG9yZSARCJRzbmFwc2hvdCBibG9iIGluZGV4IGVwb2NoIHBhY2sgdm9sdW1lIBE2BRQRDQktBRMU" +
        "YmFja3VwFVUdGglMERkIcG9kFSUFcTIRAAlFBRgFBRRmb2xkZXIZowVrHVwJCw2jNgcACXcuBgAJLQkGBUkRlBEICRsuBgANUwWMGQUVjwle" +
        "AcIJCg2vLQwNBwEfFTIFRTYnAAlwDWoNGw0HDRURoA0WCWwVUw0lCRYNIwlUBeUVKAV7BRMRUAkzDUAFGg0MDQcJRhVBMskACTxuHAANRRFt" +
        "FSsNoxEYDScNBw0dDQcFszopABVIBbEFBRUTCbEBqAEEDQ5BxRFQSWABHQ1wBUAJzAkvTXIJEw0lCQ0VZg0WCTABTAWnLe4NBzozAAUiCRQN" +
        "IQ0HDUwNDhVjDYYNFzECDRYNNBEWFTUNLgVsDQwNpCEDBeoRNAUkBRIVPg1dDTkNDglACQYNdzYhABFRFUcNHwVcCTgFCxEoDVgNTAkhDQ0N" +
        "BxEqCRwhXxVcDSIVEBUJBWMJMRE/CeKdbREZBSwJBXW4DVkFNACFFQENrADJ7gEAmgEAFcoAbO4BAO4BAO4BAO4BAO4BAO4BAO4BAO4BAO4B" +
        "AO4BAO4BAO4BAO4BAO4BAO4BAO4BAJoBAI1ykZURCJUIhYuJ0sk3hbI6NgAFFBE7CS0FE62EShoACUwRGaFdEQwFcTIRAOksBRgFBe0aFaMF" +
        "ax12CQsNozYHAAl3LgYACS0JBgVJEYgRCAkbLgYADVMFjBkFFY8JXgHCCQoNry0MDQcBHxUyBUU2JwAJcA1qDRsNBw0VEaANFglsFVMNJQkW" +
        "DSMJVAXlFSgFewUTEVAJMw1ABRoNDA0HCUYVQTLJAAk8bhwADUURbRUrDaMRGA0nDQcNHQ0HBbM6KQAVSAWxBQUVEwmxAagBBA0ODokIEVBJ" +
        "YAEdDXAFQAnMCS9NcgkTDSUJDRVmDRYJMAFMBact7g0HOjMABSIJFA0hDQcNTA0OFWMNhg0XMQINFg00ERYVNQ0uHGJsb2IgYmFj",
      "base64",
    ),
  },
  {
    name: "S2 with an index and padding",
    compressionId: 0x1200,
    plain: short,
    stream: Buffer.from(
      "/wYAAFMyc1R3TwDoAgBnnoVp9BoccmVzdG9yZSARCJRzbmFwc2hvdCBibG9iIGluZGV4IGVwb2NoIHBhY2sgdm9sdW1lIBE2BRQRDQktBRMU" +
        "YmFja3VwFVUdGglMERkIcG9kFSUFcTIRAAlFBRgFBRRmb2xkZXIZowVrHVwJCw2jNgcACXcuBgAJLQkGBUkRlBEICRsuBgANUwWMGQUVjwle" +
        "AcIJCg2vLQwNBwEfFTIFRTYnAAlwDWoNGw0HDRURoA0WCWwVUw0lCRYNIwlUBeUVKAV7BRMRUAkzDUAFGg0MDQcJRhVBMskACTxuHAANRRFt" +
        "FSsNoxEYDScNBw0dDQcFszopABVIBbEFBRUTCbEBqAEEDQ5BxRFQSWABHQ1wBUAJzAkvTXIJEw0lCQ0VZg0WCTABTAWnLe4NBzozAAUiCRQN" +
        "IQ0HDUwNDhVjDYYNFzECDRYNNBEWFTUNLgVsDQwNpCEDBeoRNAUkBRIVPg1dDTkNDglACQYNdzYhABFRFUcNHwVcCTgFCxEoDVgNTAkhDQ0N" +
        "BxEqCRwhXxVcDSIVEBUJBWMJMRE/CeKdbREZBSwJBXW4DVkFNACFFQENrADJEQEVAFMVygBsEQEZANsCjXKRlREIlQiFi4nSyTeFsjo2AAUU" +
        "ETsJLQUTrYRKGgAJTBEZoV0RDAVxMhEA6SwFGAUF7RoVowVrHXYJCw2jNgcACXcuBgAJLQkGBUkRiBEICRsuBgANUwWMGQUVjwleAcIJCg2v" +
        "LQwNBwEfFTIFRTYnAAlwDWoNGw0HDRURoA0WCWwVUw0lCRYNIwlUBeUVKAV7BRMRUAkzDUAFGg0MDQcJRhVBMskACTxuHAANRRFtFSsNoxEY" +
        "DScNBw0dDQcFszopABVIBbEFBRUTCbEBqAEEDQ4OiQgRUElgAR0NcAVACcwJL01yCRMNJQkNFWYNFgkwAUwFpy3uDQc6MwAFIgkUDSENBw1M" +
        "DQ4VYw2GDRcxAg0WDTQRFhU1DS4cYmxvYiBiYWP+6AAAdvAvecy2OigDGeA8WKIe0WUKpSuS60rv7iYM+oIPClyz1YEPxBWLFQrnzzdLkSMc" +
        "z+Tvt0nYwspTn5RlnJqeQGxrTRM1qllwaIvKNdEwfebfnZ2DjC1aBIk0MYCBQR2VXJjG0BOkdJVQcJM458LcGYVn668IyELvxD0/llhXNDmj" +
        "lUO4LoBwkxaevI56S7Y7GJPUhGrTlxABkKtSZMO8eVY8LDy1C8NB+xbbZqL61I+YPsuVlMGm5iVK9cr2ODq5qNCxTlR7A/6aadhWmNil+0oM" +
        "08Tl8ERXtj1tS4miuTMvpJ9XyrrPOZkaAABzMmlkeADoNQGAgIABAgAUHgAAAAB4ZGkycw==",
      "base64",
    ),
  },
  {
    name: "LZ4",
    compressionId: 0x1400,
    plain: long,
    stream: Buffer.from(
      "BCJNGGRwuVAGAACEcmVzdG9yZSAIAPYVc25hcHNob3QgYmxvYiBpbmRleCBlcG9jaCBwYWNrIHZvbHVtLgBFcGFjaw0AAi0Av3BhY2sgYmFj" +
        "a3VwGgABAkwABBkANXBvZAwASmJsb2IRAAJFAEJibG9ijgBmZm9sZGVyowBDcGFja6MABwsAA6MACgcAAncACAYAAjgAAgYACccABJAAAhsA" +
        "CAYAA1MABpEARmJsb2KPAAJeADNwb2QKAAOvAAMMAQMHADZwb2QyAAjWAAMgAAJwAANqAANCAAMHAAMVAASgAAMWAAJsAAVTAAMlAAIWAAMj" +
        "AAJUAEZwYWNrrQACbgEI+AACMwADQAAI7QEDEwACRgAFQQAJyQACPAAPHAAJA0UABL0ABSsAA6MABBgAAycAAwcAAx0AAwcARWJsb2JtAgMi" +
        "AAVIAEJwYWNr0AAFEwACsQB0cG9kIHBvZA4ANWFja1AAAnIBNHBvZE4AQ3BhY2vMAAIvAAMqAAITAAMlAAINAAVmAAMWAAIwADNwb2QfAgJc" +
        "AAPVAQszAENibG9iZwADIQADBwADTAADDgAFYwADhgADFwAEAgEDFgADNAAEFgAFNQADLgAIjgADpAAFKgEENAAGDAIFPgADXQADRQADDgAC" +
        "QAACBgADdwAKIQAEUQAFRwADHwAHngMJawMDWAADTAAJWQADFAAEUgACHAAJdAIDIgAFbAAFCQAHbgAEPwAC4gAHbQQEGQAGNwIGuAMDWQBl" +
        "YmxvYiCFAQADrAAfyQEAUAXKAB9sAQD////XA3IEH/oBAP//////////////////////////////////////////////////////////////" +
        "////////////////////////////////////////////////////////////////////////////////////////////////////////////" +
        "////////////////////////////////////////////////////////////////////////////////////////////////////////////" +
        "//////////////////////////////////////////////////////////////////////////////////////9uj2Vwb2NoIHh4AgD/////" +
        "////////////////////////////////////////////////////////////////////////////////////////////////////////////" +
        "////////////////////////////////////////////////////////////////////////////////////////////////////////////" +
        "////////////////////////////////////////////////////////////////////////////////////////////////////////////" +
        "////////////////////////////////////beViYWNrdXAgcmVzdG9yZQgA9hVzbmFwc2hvdCBibG9iIGluZGV4IGVwb2NoIHBhY2sgdm9s" +
        "dW0uAEVwYWNrDQACLQBbcGFjayBdAAcaAAJMAAQzADVwb2QMAEpibG9iEQACogBCYmxvYo4AZmZvbGRlcqMAQ3BhY2ujAAcLAAOjAAoHAAJ3" +
        "AAgGAAI4AAIGAAnHAASQAAIbAAgGAANTAAaRAEZibG9ijwACXgAzcG9kCgADrwADDAEDBwA2cG9kMgAI1gADIAACcAADagADQgADBwADFQAE" +
        "oAADFgACbAAFUwADJQACFgADIwACVABGcGFja60AAm4BCPgAAjMAA0AACO0BAxMAAkYABUEACckAAjwADxwACQNFAAS9AAUrAAOjAAQYAAMn" +
        "AAMHAAMdAAMHAEVibG9ibQIDIgAFSABCcGFja9AABRMAArEAdHBvZCBwb2QOADVhY2tQAAJyATRwb2ROAENwYWNrzAACLwADKgACEwADJQAC" +
        "DQAFZgADFgACMAAzcG9kHwICXAAD1QELMwBDYmxvYmcAAyEAAwcAA0wAAw4ABWMAA4YAAxcABAIBAxYAAzQABBYAADUAAMADAIIAwGt1cCBi" +
        "bG9iIGJhYwAAAAAj545Q",
      "base64",
    ),
  },
  {
    name: "LZ4 with block checksums and its size",
    compressionId: 0x1400,
    plain: short,
    stream: Buffer.from(
      "BCJNGHxAdA0AAAAAAADVawIAAIRyZXN0b3JlIAgA9hVzbmFwc2hvdCBibG9iIGluZGV4IGVwb2NoIHBhY2sgdm9sdW0uAEVwYWNrDQACLQC/" +
        "cGFjayBiYWNrdXAaAAECTAAEGQA1cG9kDABKYmxvYhEAAkUAQmJsb2KOAGZmb2xkZXKjAENwYWNrowAHCwADowAKBwACdwAIBgACOAACBgAJ" +
        "xwAEkAACGwAIBgADUwAGkQBGYmxvYo8AAl4AM3BvZAoAA68AAwwBAwcANnBvZDIACNYAAyAAAnAAA2oAA0IAAwcAAxUABKAAAxYAAmwABVMA" +
        "AyUAAhYAAyMAAlQARnBhY2utAAJuAQj4AAIzAANAAAjtAQMTAAJGAAVBAAnJAAI8AA8cAAkDRQAEvQAFKwADowAEGAADJwADBwADHQADBwBF" +
        "YmxvYm0CAyIABUgAQnBhY2vQAAUTAAKxAHRwb2QgcG9kDgA1YWNrUAACcgE0cG9kTgBDcGFja8wAAi8AAyoAAhMAAyUAAg0ABWYAAxYAAjAA" +
        "M3BvZB8CAlwAA9UBCzMAQ2Jsb2JnAAMhAAMHAANMAAMOAAVjAAOGAAMXAAQCAQMWAAM0AAQWAAU1AAMuAAiOAAOkAAUqAQQ0AAYMAgU+AANd" +
        "AANFAAMOAAJAAAIGAAN3AAohAARRAAVHAAMfAAeeAwlrAwNYAANMAAlZAAMUAARSAAIcAAl0AgMiAAVsAAUJAAduAAQ/AALiAAdtBAQZAAY3" +
        "Aga4AwNZAGVibG9iIIUBAAOsAB/JAQBQBcoAH2wBAP///9cDcgQElQQECAAFCAQPjAn///+sAgcJ0GNrdXAgYmxvYiBiYWNdcl4jAAAAAKG6" +
        "Vh8=",
      "base64",
    ),
  },
  {
    name: "LZ4 without checksums",
    compressionId: 0x1400,
    plain: long,
    stream: Buffer.from(
      "BCJNGGBAglUDAACEcmVzdG9yZSAIAPYVc25hcHNob3QgYmxvYiBpbmRleCBlcG9jaCBwYWNrIHZvbHVtLgBFcGFjaw0AAi0Av3BhY2sgYmFj" +
        "a3VwGgABAkwABBkANXBvZAwASmJsb2IRAAJFAEJibG9ijgBmZm9sZGVyowBDcGFja6MABwsAA6MACgcAAncACAYAAjgAAgYACccABJAAAhsA" +
        "CAYAA1MABpEARmJsb2KPAAJeADNwb2QKAAOvAAMMAQMHADZwb2QyAAjWAAMgAAJwAANqAANCAAMHAAMVAASgAAMWAAJsAAVTAAMlAAIWAAMj" +
        "AAJUAEZwYWNrrQACbgEI+AACMwADQAAI7QEDEwACRgAFQQAJyQACPAAPHAAJA0UABL0ABSsAA6MABBgAAycAAwcAAx0AAwcARWJsb2JtAgMi" +
        "AAVIAEJwYWNr0AAFEwACsQB0cG9kIHBvZA4ANWFja1AAAnIBNHBvZE4AQ3BhY2vMAAIvAAMqAAITAAMlAAINAAVmAAMWAAIwADNwb2QfAgJc" +
        "AAPVAQszAENibG9iZwADIQADBwADTAADDgAFYwADhgADFwAEAgEDFgADNAAEFgAFNQADLgAIjgADpAAFKgEENAAGDAIFPgADXQADRQADDgAC" +
        "QAACBgADdwAKIQAEUQAFRwADHwAHngMJawMDWAADTAAJWQADFAAEUgACHAAJdAIDIgAFbAAFCQAHbgAEPwAC4gAHbQQEGQAGNwIGuAMDWQBl" +
        "YmxvYiCFAQADrAAfyQEAUAXKAB9sAQD////XA3IEH/oBAP//////////////////////////////////////////////////////////////" +
        "////////////////////////////////////////////////////////////////////////////////////////////////////////////" +
        "////////////////////////////////////////////////////////////////////////////////////////////////////////////" +
        "//////////////////////////////////////////////////9J4Pr6+vr6+vr6+vr6+vr6IQEAAB/6AQD/////////////////////////" +
        "//////////8Dj2Vwb2NoIHh4AgD/////////////////////////////////////////////////////////////////////////////////" +
        "////////////////////////////////////////////////////////////////////////////////////////////////////////////" +
        "////////////////////////////////////////////////////////////////////////////////////////////////////////////" +
        "////////vgACAMB4eHh4eHh4eHh4eHgCAgAAH3gBAP//////////////////////////////////////////////////////////iuViYWNr" +
        "dXAgcmVzdG9yZQgA9hVzbmFwc2hvdCBibG9iIGluZGV4IGVwb2NoIHBhY2sgdm9sdW0uAEVwYWNrDQACLQBbcGFjayBdAAcaAAJMAAQzADVw" +
        "b2QMAEpibG9iEQACogBCYmxvYo4AZmZvbGRlcqMAQ3BhY2ujAAcLAAOjAAoHAAJ3AAgGAAI4AAIGAAnHAASQAAIbAAgGAANTAAaRAEZibG9i" +
        "jwACXgAzcG9kCgADrwADDAEDBwA2cG9kMgAI1gADIAACcAADagADQgADBwADFQAEoAADFgACbAAFUwADJQACFgADIwACVABGcGFja60AAm4B" +
        "CPgAAjMAA0AACO0BAxMAAkYABUEACckAAjwADxwACQNFAAS9AAUrAAOjAAQYAAMnAAMHAAMdAAMHAEVibG9ibQIDIgAFSABCcGFja9AABRMA" +
        "ArEAdHBvZCBwb2QOADVhY2tQAAJyATRwb2ROAENwYWNrzAACLwADKgACEwADJQACDQAFZgADFgACMAAzcG9kHwICXAAD1QELMwBDYmxvYmcA" +
        "AyEAAwcAA0wAAw4ABWMAA4YAAxcABAIBAxYAAzQABBYAADUAAMADAIIAwGt1cCBibG9iIGJhYwAAAAA=",
      "base64",
    ),
  },
  {
    name: "LZ4 of linked blocks",
    compressionId: 0x1400,
    plain: long,
    stream: Buffer.from(
      "BCJNGFxAYTACAAAAAABeWwMAAIRyZXN0b3JlIAgA9hVzbmFwc2hvdCBibG9iIGluZGV4IGVwb2NoIHBhY2sgdm9sdW0uAAEUAAQ7AAItAAET" +
        "AGViYWNrdXBVAAcaAAJMAAQzADVwb2QlAAFxAAkRAAJFAAEYAAEFAGZmb2xkZXKjAAFrAAdcAAILAAOjAAoHAAJ3AAgGAAItAAIGAAFJAASU" +
        "AAQIAAIbAAgGAANTAAGMAAYFAAWPAAJeADNwb2QxAQOvAAMMAQMHADZwb2TBAAFFAAonAAJwAANqAAMbAAMHAAMVAASgAAMWAAJ2AAWFAAMl" +
        "AAIWAAMjAAJUAAHlAAUoAAF7AAETAARQAAIzAANAAAEaAAMMAAMHAAJGAAVBAAnJAAI8AA8cAAkDRQAEbQAFKwADowAEGAADJwADBwADHQAD" +
        "BwABswALKQAFSAABsQABBQAFEwACsQBzcG9kIHBvZMsCASIABFAAAmACNHBvZNcCAR4AAswAAj0AAyoAAhMAA5UAAg0ABWYAAxYAAjAAMnBv" +
        "ZDkDA+4BAwcACzMAAckAAhQAAyEAAwcAA0wAAw4ABWMAA4YAAxcABAIBAxYAAzQABBYABTUAAy4AAWwAAwwAA6QABSoBBDQAASQAAfwABT4A" +
        "A10AAzkAAw4AAkAAAgYAA3cACiEABFEABUcAAx8AAVwAAjgAAQsABCgAA1gAA0wAAiEAAw0AAwcABCoAAhwACXQCAyIABWwABQkAAWMAAjEA" +
        "BD8AAuIAB20EBBkAASwAAgUABbgDA1kAATQAFYUBAAOsAB/JAQBQBcoAH2wBAP///9cDcgQf+gEA////////////////////////////////" +
        "////////////////////////////////////////////////////////////////////////////////////////////////////////////" +
        "////////////////////////////////////////////////////////////////////////////////////////////////////////////" +
        "/////////////////////////////////////////////////////////////////////////////////1JQ+vr6+vr3HD8CFgEAAB/6AQD/" +
        "//////////////////////////////////8Df2Vwb2NoIHgBAP//////////////////////////////////////////////////////////" +
        "////////////////////////////////////////////////////////////////////////////////////////////////////////////" +
        "////////////////////////////////////////////////////////////////////////////////////////////////////////////" +
        "///////////////////////////////KUHh4eHh4j+xn+PUBAAAfeAEA////////////////////////////////////////////////////" +
        "//////+K5WJhY2t1cCByZXN0b3JlCAD2FXNuYXBzaG90IGJsb2IgaW5kZXggZXBvY2ggcGFjayB2b2x1bS4AARQABEMAAi0AARMAC10ABxoA" +
        "AkwABDMANXBvZHoAAXEACREAAqIAARgAAQUAZmZvbGRlcqMAAWsAB1wAAgsAA6MACgcAAncACAYAAi0AAgYAAUkABJQABAgAAhsACAYAA1MA" +
        "AYwABgUABY8AAl4AM3BvZDEBA68AAwwBAwcANnBvZMEAAUUACicAAnAAA2oAAxsAAwcAAxUABKAAAxYAAnYABYUAAyUAAhYAAyMAAlQAAeUA" +
        "BSgAAXsAARMABFAAAjMAA0AAARoAAwwAAwcAAkYABUEACckAAjwADxwACQNFAARtAAUrAAOjAAQYAAMnAAMHAAMdAAMHAAGzAAspAAVIAAGx" +
        "AAEFAAUTAAKxAHNwb2QgcG9kywIBIgAEUAACYAI0cG9k1wIBHgACzAACPQADKgACEwADlQACDQAFZgADFgACMAAycG9kOQMD7gEDBwALMwAB" +
        "yQACFAADIQADBwADTAADDgAFYwADhgADFwAEAgEDFgADNAAEFgAFNQADLgCAYmxvYiBiYWMcf46QAAAAACPnjlA=",
      "base64",
    ),
  },
];
