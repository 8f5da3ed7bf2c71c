import { describeStoreFaults } from "./velero-store-faults.ts";

describeStoreFaults("1.18");
