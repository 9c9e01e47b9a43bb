// The browser's storage, where it is allowed; a page without it works and forgets.
function area(name) {
  try {
    return window[name];
  } catch {
    return null;
  }
}

export function recall(key, where = "localStorage") {
  return area(where)?.getItem(`tuneteller.${key}`) ?? null;
}

// Returns whether it is kept.
export function keep(key, value, where = "localStorage") {
  try {
    if (value === null) area(where)?.removeItem(`tuneteller.${key}`);
    else area(where)?.setItem(`tuneteller.${key}`, value);
    return true;
  } catch {
    return false; // Full, or switched off.
  }
}
