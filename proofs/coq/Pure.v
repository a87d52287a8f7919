(* The check on integers that Coq defines itself: nothing is trusted beyond the real numbers. *)

From Interval Require Import Float.Specific_ops Float.Specific_stdz.
From Varnum Require Import Certificate.

Module Floats := SpecificFloat StdZRadix2.
Include Check Floats.
