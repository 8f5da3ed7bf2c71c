/** Nobody: a user whom permissions bind. */
const nobody = 65_534;

/** Does the work as a user without rights of its own; every thread of this process is that user meanwhile. Root only. */
export async function asNobody<Result>(work: () => Promise<Result>): Promise<Result> {
  const { setegid, seteuid, setgroups, getgroups } = process;
  if (!setegid || !seteuid || !setgroups || !getgroups) throw new Error("this system has no users");
  const groups = getgroups();
  setgroups([]);
  setegid(nobody);
  seteuid(nobody);
  try {
    return await work();
  } finally {
    seteuid(0);
    setegid(0);
    setgroups(groups);
  }
}
