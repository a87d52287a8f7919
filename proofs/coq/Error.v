(* The error of a real polynomial for exp, its derivative, and the bound of it from brackets. *)

From Coq Require Import Reals List Lra Lia.
From Varnum Require Import Polynomial Supremum Statement.
Import ListNotations.
Open Scope R_scope.

(* k c_0, (k + 1) c_1, .. *)
Fixpoint from (k : R) (p : list R) : list R :=
  match p with
  | [] => []
  | c :: rest => k * c :: from (k + 1) rest
  end.

Definition derivative (p : list R) : list R := from 1 (tl p).

Fixpoint minus (p q : list R) : list R :=
  match p, q with
  | [], _ => map Ropp q
  | _, [] => p
  | a :: p', b :: q' => (a - b) :: minus p' q'
  end.

Lemma peval_minus (x : R) (p : list R) : forall q, peval (minus p q) x = peval p x - peval q x.
Proof.
  induction p as [|a p IH]; intros q.
  - induction q as [|b q IH]; simpl in *; [ring|]. rewrite IH. ring.
  - destruct q as [|b q]; simpl; [ring|]. rewrite IH. ring.
Qed.

Lemma minus_length (p : list R) : forall q, length (minus p q) = Nat.max (length p) (length q).
Proof.
  induction p as [|a p IH]; intros [|b q]; simpl; try easy; [now rewrite map_length|now rewrite IH].
Qed.

Lemma from_length (p : list R) : forall k, length (from k p) = length p.
Proof. induction p as [|c p IH]; intros k; simpl; [easy|now rewrite IH]. Qed.

Lemma derivative_length (p : list R) : length (derivative p) = pred (length p).
Proof. unfold derivative. rewrite from_length. now destruct p. Qed.

Lemma from_next (x : R) (p : list R) : forall k, peval (from (k + 1) p) x = peval (from k p) x + peval p x.
Proof. induction p as [|c p IH]; intros k; simpl; [ring|]. rewrite IH. ring. Qed.

Lemma from_zero (x : R) (p : list R) : peval (from 0 p) x = x * peval (derivative p) x.
Proof.
  destruct p as [|c p]; [cbn; ring|]. unfold derivative. simpl. rewrite Rplus_0_l. ring.
Qed.

Lemma peval_derivative (p : list R) (x : R) : derivable_pt_lim (peval p) x (peval (derivative p) x).
Proof.
  induction p as [|c p IH]; [apply derivable_pt_lim_const|].
  replace (peval (derivative (c :: p)) x) with (0 + (1 * peval p x + x * peval (derivative p) x)).
  - apply (derivable_pt_lim_plus (fun _ => c) (fun y => y * peval p y)).
    + apply derivable_pt_lim_const.
    + apply (derivable_pt_lim_mult id (peval p)); [apply derivable_pt_lim_id|easy].
  - unfold derivative at 2. simpl tl. replace 1 with (0 + 1) at 2 by ring.
    rewrite from_next, from_zero. ring.
Qed.

Lemma exp_neg_derivative (x : R) : derivable_pt_lim (fun y => exp (- y)) x (- exp (- x)).
Proof.
  replace (- exp (- x)) with (exp (- x) * - 1) by ring.
  apply (derivable_pt_lim_comp (fun y => - y) exp); [|apply derivable_pt_lim_exp].
  apply (derivable_pt_lim_opp id x 1). apply derivable_pt_lim_id.
Qed.

(* The error h of P, the sign D of its derivative, and its second derivative. *)
Section Error.
Variables (kind : error) (P : list R).

Definition slope_of : list R :=
  match kind with relative => minus (derivative P) P | additive => derivative P end.
Definition curve_of : list R :=
  match kind with relative => minus (derivative slope_of) slope_of | additive => derivative slope_of end.

Definition h (x : R) : R := off kind (peval P x) x.
Definition D (x : R) : R :=
  match kind with relative => peval slope_of x | additive => peval slope_of x - exp x end.
Definition h1 (x : R) : R := match kind with relative => D x * exp (- x) | additive => D x end.
Definition h2 (x : R) : R :=
  match kind with
  | relative => peval curve_of x * exp (- x)
  | additive => peval curve_of x - exp x
  end.

Lemma times_exp_neg (A : list R) (x : R) :
  derivable_pt_lim (fun y => peval A y * exp (- y)) x (peval (minus (derivative A) A) x * exp (- x)).
Proof.
  rewrite peval_minus.
  replace ((peval (derivative A) x - peval A x) * exp (- x))
    with (peval (derivative A) x * exp (- x) + peval A x * - exp (- x)) by ring.
  apply (derivable_pt_lim_mult (peval A) (fun y => exp (- y)));
    [apply peval_derivative|apply exp_neg_derivative].
Qed.

Lemma minus_exp (A : list R) (x : R) :
  derivable_pt_lim (fun y => peval A y - exp y) x (peval (derivative A) x - exp x).
Proof.
  apply (derivable_pt_lim_minus (peval A) exp); [apply peval_derivative|apply derivable_pt_lim_exp].
Qed.

Lemma h_derivative (x : R) : derivable_pt_lim h x (h1 x).
Proof.
  unfold h, h1, D, off, slope_of. destruct kind; [|apply minus_exp].
  replace (peval (minus (derivative P) P) x * exp (- x))
    with (peval (minus (derivative P) P) x * exp (- x) - 0) by ring.
  apply (derivable_pt_lim_minus (fun y => peval P y * exp (- y)) (fun _ => 1));
    [apply times_exp_neg|apply derivable_pt_lim_const].
Qed.

Lemma h1_derivative (x : R) : derivable_pt_lim h1 x (h2 x).
Proof.
  unfold h1, h2, D, curve_of. destruct kind; [apply times_exp_neg|apply minus_exp].
Qed.

Lemma h2_continuous : continuity h2.
Proof.
  intros x. apply derivable_continuous_pt. unfold h2. destruct kind.
  - eexists. apply times_exp_neg.
  - eexists. apply minus_exp.
Qed.

Lemma D_continuous : continuity D.
Proof.
  intros x. apply derivable_continuous_pt. unfold D. destruct kind.
  - eexists. apply peval_derivative.
  - eexists. apply minus_exp.
Qed.

Lemma h1_zero (x : R) : h1 x = 0 -> D x = 0.
Proof.
  unfold h1. destruct kind; [|easy]. intros E.
  destruct (Rmult_integral _ _ E); [easy|]. assert (Q := exp_pos (- x)). lra.
Qed.

(* With as many zeros as P has coefficients, D vanishes everywhere. *)
Lemma D_count (lo : R) (zs : list R) :
  increasing lo zs -> length zs = length P -> (0 < length P)%nat ->
  (forall z, In z zs -> D z = 0) -> forall x, D x = 0.
Proof.
  intros Hi Hl Hn Hz x. unfold D, slope_of in *. destruct kind.
  - apply (root_bound zs _ lo); [easy| |easy].
    rewrite minus_length, derivative_length. lia.
  - set (S := derivative P) in *.
    assert (E : forall y, peval S y - exp y = (peval S y * exp (- y) - 1) * exp y).
    { intros y. rewrite Rmult_minus_distr_r, Rmult_assoc, <- exp_plus.
      replace (- y + y) with 0 by ring. rewrite exp_0. ring. }
    rewrite E, (zero_everywhere (fun y => peval S y * exp (- y) - 1)
      (fun y => peval (minus (derivative S) S) y * exp (- y)) ((minus (derivative S) S))
      (fun y => exp (- y)) lo zs); [ring| | | | |easy|].
    + intros y. replace (peval (minus (derivative S) S) y * exp (- y))
        with (peval (minus (derivative S) S) y * exp (- y) - 0) by ring.
      apply (derivable_pt_lim_minus (fun y => peval S y * exp (- y)) (fun _ => 1));
        [apply times_exp_neg|apply derivable_pt_lim_const].
    + reflexivity.
    + intros y. assert (Q := exp_pos (- y)). lra.
    + rewrite minus_length, !derivative_length. unfold S. rewrite derivative_length. lia.
    + intros z Iz. specialize (Hz z Iz). rewrite E in Hz.
      destruct (Rmult_integral _ _ Hz); [easy|]. assert (Q := exp_pos z). lra.
Qed.

(* The upper half, in real numbers. *)
Theorem error_bound (l u e c : R) (bs : list (R * R)) :
  length P = S (length bs) -> brackets_from D l u bs -> l <= u -> D l <> 0 ->
  Rabs (h l) <= e -> Rabs (h u) <= e ->
  (forall x, l <= x <= u -> Rabs (h2 x) <= c) ->
  (forall a b, In (a, b) bs -> l <= a /\ b <= u /\ Rabs (h a) + (b - a) * (b - a) / 2 * c <= e) ->
  forall x, l <= x <= u -> Rabs (h x) <= e.
Proof.
  intros Hl Hb Hlu H0 He1 He2 Hc Hbs.
  apply (sup_core h h1); auto using h_derivative.
  intros z Iz Z.
  destruct (bracketed D l u bs D_continuous Hb H0) with (c := z) as ([a b] & I & L);
    [|easy|now apply h1_zero|].
  - intros zs G1 G2 G3. apply (D_count l zs); [easy|congruence|lia|easy].
  - destruct (Hbs a b I) as (La & Ub & Hab). simpl in L.
    eapply Rle_trans; [|exact Hab].
    apply (bracket_core h h1 h2); auto using h_derivative, h1_derivative.
    intros x Ix. apply Hc. lra.
Qed.
End Error.

