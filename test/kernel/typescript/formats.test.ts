import { typescriptKernel } from "../../../src/kernel/typescript/kernel.ts";
import { describeKernelFormats } from "../../contracts/kernel-formats.contract.ts";

describeKernelFormats(typescriptKernel);
