import { describe, expect, test } from "bun:test";
import { readReport } from "../../../scripts/check/tests.ts";

/** As Bun 1.4.5 writes it: a case is closed in itself, or holds why it did not pass. */
const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="5" assertions="2" failures="2" skipped="2" time="0.11">
  <testsuite name="tests/a.test.ts" file="tests/a.test.ts" tests="5" failures="2" skipped="2" time="0.1">
    <testcase name="ok" classname="" time="0.00003" file="tests/a.test.ts" line="2" assertions="1" />
    <testcase name="no &lt;browser&gt;: none" classname="" time="0" file="tests/a.test.ts" line="3" assertions="0">
      <skipped />
    </testcase>
    <testcase name="later" classname="" time="0" file="tests/a.test.ts" line="4" assertions="0">
      <skipped message="TODO" />
    </testcase>
    <testsuite name="d" file="tests/a.test.ts" line="5" tests="1" failures="1" skipped="0" time="0">
      <testcase name="bad" classname="d" time="0.0003" file="tests/a.test.ts" line="5" assertions="1">
        <failure type="AssertionError" message="expected 2">at tests/a.test.ts:5:80</failure>
      </testcase>
    </testsuite>
    <testcase name="slow" classname="" time="0.1" file="tests/a.test.ts" line="6" assertions="0">
      <failure type="TimeoutError" message="test timed out" />
    </testcase>
  </testsuite>
</testsuites>`;

describe("readReport", () => {
  test("counts what passed, failed and was skipped", () => {
    const { passed, failed, skips } = readReport(REPORT, "");
    expect({ passed, failed, skipped: skips.length }).toEqual({ passed: 1, failed: 2, skipped: 2 });
  });

  test("finds the printed reason of a skip by its whole name, and says when there is none", () => {
    const printed = "bun test\nskip: no <browser>: none: no Chromium found\nskip: another: that\n";
    expect(readReport(REPORT, printed).skips).toEqual([
      { name: "no <browser>: none", reason: "no Chromium found" },
      { name: "later", reason: null },
    ]);
  });

  test("an empty report holds nothing", () => {
    expect(readReport("", "")).toEqual({ passed: 0, failed: 0, skips: [] });
  });
});
