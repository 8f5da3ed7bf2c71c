import { resourceStoreContract } from "../contracts/resource-store.contract.ts";
import { MemoryResourceStore } from "./memory-resource-store.ts";

resourceStoreContract("the memory store", async () => {
  const store = new MemoryResourceStore();
  return {
    store,
    put: async (object) => void store.put(object),
    remove: async (type, name) => store.delete(type, name),
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
    },
  };
});
