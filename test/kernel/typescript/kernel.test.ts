import { typescriptKernel } from "../../../src/kernel/typescript/kernel.ts";
import { describeKernelContract } from "../../contracts/kernel.contract.ts";

describeKernelContract(typescriptKernel);
