import { describeRestarts } from "./velero-node-faults.ts";
import { describePasswords } from "./velero-store-faults.ts";

describeRestarts("1.15");
describePasswords("1.15");
