/** The accounting child alone, for tests that ask llama.cpp without the command line around it. */
import { runAccountingChild } from "../../src/engines/llama-cpp/accounting-child.ts";

await runAccountingChild();
