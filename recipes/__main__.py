"""`python -m recipes [NAME ...]`: make shipped weights anew, all or those named.

A name is that of a module of this folder, as "vae", or of one recipe, as "vae-fashion".
"""

import sys

from recipes import every


def main() -> None:
    """Retrain what is named on the command line, or everything."""
    recipes = every()
    asked = sys.argv[1:] or sorted({module for module, _ in recipes})
    known = {module for module, _ in recipes} | {r.stem for _, r in recipes}
    if unknown := set(asked) - known:
        sys.exit(
            f"no recipe {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        )
    for module, recipe in recipes:
        if module in asked or recipe.stem in asked:
            print(f"== {recipe.stem}", flush=True)
            recipe.retrain()


if __name__ == "__main__":
    main()
