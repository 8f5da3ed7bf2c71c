/**
 * Parts of prom-client that are imported by their own files, since the whole takes 9 MB of memory and these take one:
 * docs/decisions/prom-client.md. Their types are those of the whole.
 */

declare module "prom-client/lib/counter.js" {
  import { Counter } from "prom-client";
  export = Counter;
}

declare module "prom-client/lib/gauge.js" {
  import { Gauge } from "prom-client";
  export = Gauge;
}

declare module "prom-client/lib/histogram.js" {
  import { Histogram } from "prom-client";
  export = Histogram;
}

declare module "prom-client/lib/registry.js" {
  import { Registry } from "prom-client";
  export = Registry;
}
