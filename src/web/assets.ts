/** /static: what pages load. Asked again each time and answered with 304: a fixed local port must not serve yesterday's script. */
import { staticPlugin } from "@elysiajs/static";

export function assets(root: string) {
  return staticPlugin({ assets: root, prefix: "/static", alwaysStatic: true, maxAge: 0, directive: "no-cache" });
}
