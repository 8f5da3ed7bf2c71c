/** The folder that has package.json and dist/. Two folders up from here: in src/, in dist/, and in the bundle alike. */

export const projectRoot: URL = new URL("../../", import.meta.url);
