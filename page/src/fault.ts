import type { Fault } from "./types";

/** What the host refused: its code, what happened, what to do next. */
export class Refused extends Error {
  constructor(readonly fault: Fault) {
    super(fault.message);
  }
}
