import { MemoryBlobStore } from "../../../src/repository/blob/memory.ts";
import { describeBlobStoreContract } from "../../contracts/blob-store.contract.ts";

describeBlobStoreContract("memory", async () => {
  const store = new MemoryBlobStore();
  return { store, dispose: () => store[Symbol.asyncDispose]() };
});
