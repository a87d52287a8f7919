(* The words of the two theorems that a certificate file states.

   `Pol p x` is p_0 + p_1 x + p_2 x^2 + .. for rational coefficients, `peval` the same for real
   ones (Polynomial.v). *)

From Coq Require Import Reals QArith Qreals List.
From Varnum Require Import Polynomial.
Open Scope R_scope.

Definition Pol (p : list Q) (x : R) : R := peval (map Q2R p) x.

Inductive error := relative | additive.

(* The error of y for exp x. *)
Definition off (kind : error) (y x : R) : R :=
  match kind with
  | relative => y * exp (- x) - 1
  | additive => y - exp x
  end.

(* A rational as one writes it: -4, 1/1000. *)
Definition frac (q : Q) : R :=
  match Qden q with
  | xH => IZR (Qnum q)
  | d => IZR (Qnum q) / IZR (Zpos d)
  end.

Lemma frac_ratio (q : Q) : frac q = IZR (Qnum q) / IZR (Zpos (Qden q)).
Proof. destruct q as [n [d|d|]]; try reflexivity. unfold frac. simpl. now field. Qed.
