/**
 * Sets this process's core limit to 0: a child that is expected to abort now and then must not fill the disk with dumps.
 * setrlimit(RLIMIT_CORE, {0, 0}); RLIMIT_CORE is 4 on Linux and macOS. Elsewhere, or without the C library: nothing, and no error,
 * for a dump is a nuisance and not a fault.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";

const RLIMIT_CORE = 4;
const C_LIBRARY: Readonly<Record<string, string>> = { linux: "libc.so.6", darwin: "libSystem.B.dylib" };

export function noCoreDump(): void {
  const library = C_LIBRARY[process.platform];
  if (library === undefined) return;
  try {
    const { symbols, close } = dlopen(library, {
      setrlimit: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
    });
    symbols.setrlimit(RLIMIT_CORE, ptr(new BigUint64Array([0n, 0n])));
    close();
  } catch {
    // No such library: see above.
  }
}
