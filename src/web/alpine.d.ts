/** Alpine's build for pages that forbid eval has no types of its own: it stands for `alpinejs`. */
declare module "@alpinejs/csp" {
  export { default } from "alpinejs";
}
