(* The check on Coq's primitive integers: fast, and it trusts those too. *)

From Interval Require Import Float.Specific_ops Float.Specific_bigint.
From Varnum Require Import Certificate.

Module Floats := SpecificFloat BigIntRadix2.
Include Check Floats.
