import { loadAddon, type NativeAddon } from "../../../src/kernel/native/addon.ts";

/** The addon, or why there is none. */
export const nativeAddon: NativeAddon | Error = loaded();

function loaded(): NativeAddon | Error {
  try {
    return loadAddon();
  } catch (error) {
    return error as Error;
  }
}
