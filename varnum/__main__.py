"""`python -m varnum` is the command `varnum`."""

from varnum.cli import main

if __name__ == "__main__":
    main()
