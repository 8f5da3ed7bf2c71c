import { describeOutage } from "./velero-store-faults.ts";

describeOutage("1.18");
