// Names of elements that no other figure in the same document has, not even one of a second copy of these modules.

const home = Math.random().toString(36).slice(2, 8);
let count = 0;

export const unique = (word) => `${word}-${home}-${++count}`;
