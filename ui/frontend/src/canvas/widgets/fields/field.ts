/** What every input field of a widget takes. */
export interface FieldProps {
  id?: string;
  /** Read out as its name. */
  label: string;
  value: unknown;
  disabled?: boolean;
  /** Id of an element that explains it. */
  describedby?: string;
  /** At every edit: each key stroke, each bit that a slider moves. */
  onchange: (value: unknown) => void;
  /** An edit is over: the field was left, the slider let go, Enter pressed. */
  oncommit?: () => void;
}

/** Ids of describing elements as one attribute; undefined where there are none. */
export function describedBy(...ids: (string | false | null | undefined)[]): string | undefined {
  return ids.filter(Boolean).join(' ') || undefined;
}
