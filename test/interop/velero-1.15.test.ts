import { describeVelero } from "./velero-scenarios.ts";

describeVelero("1.15");
