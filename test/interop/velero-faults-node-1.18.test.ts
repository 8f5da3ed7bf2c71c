import { describeNodeFaults, describeRestarts } from "./velero-node-faults.ts";

describeRestarts("1.18");
describeNodeFaults("1.18");
