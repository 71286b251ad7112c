/** Moments as people say them. Times are seconds since 1970, shown in the clock of the browser. */

const MINUTE = 60;
const HOUR = 60 * MINUTE;

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const dayOfYear = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const fullDay = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

/** "just now", "5 min ago", "today 14:03", "yesterday 14:03", "24 Nov 14:03", "24 Nov 2025". */
export function when(time: number, now: number = Date.now() / 1000): string {
  const ago = now - time;
  if (ago < MINUTE) return 'just now';
  if (ago < HOUR) return `${Math.floor(ago / MINUTE)} min ago`;
  const [then, today] = [new Date(time * 1000), new Date(now * 1000)];
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (then.toDateString() === today.toDateString()) return `today ${clock.format(then)}`;
  if (then.toDateString() === yesterday.toDateString()) return `yesterday ${clock.format(then)}`;
  if (then.getFullYear() !== today.getFullYear()) return fullDay.format(then);
  return `${dayOfYear.format(then)} ${clock.format(then)}`;
}

/** The whole moment, for those who point at it. */
export function moment(time: number): string {
  const date = new Date(time * 1000);
  return `${fullDay.format(date)} ${clock.format(date)}`;
}
