"""`python -m gdlbook._book`: run what changed, before the site is served."""

from gdlbook._book.build import prepare

if __name__ == "__main__":
    prepare()
