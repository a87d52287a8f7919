(* Softmax under errors of the kernel, of the logits and of the values: claims softmax-relative,
   softmax-logit and softmax-compose, for any number of tokens. *)

From Coq Require Import Reals Lra Lia Psatz.
From Varnum Require Import Sums.
Open Scope R_scope.

(* The output of n tokens with kernel values a and values v. *)
Definition average (n : nat) (a v : nat -> R) : R := sum n (fun j => a j * v j) / sum n a.

Definition artanh (x : R) : R := ln ((1 + x) / (1 - x)) / 2.

(* A chord replaces the step from n tokens to two groups: for values in [0, rho],
   (hi - lo)(q - p) v <= rho (hi - 1)(q - lo p) wherever lo p <= q <= hi p. *)
Lemma chord (n : nat) (p q v : nat -> R) (lo hi rho : R) :
  sum n p = 1 -> sum n q = 1 -> lo <= 1 <= hi ->
  (forall j, (j < n)%nat -> 0 <= p j /\ lo * p j <= q j <= hi * p j /\ 0 <= v j <= rho) ->
  (hi - lo) * sum n (fun j => (q j - p j) * v j) <= rho * ((hi - 1) * (1 - lo)).
Proof.
  intros Hp Hq H1 H.
  replace (rho * ((hi - 1) * (1 - lo)))
    with (sum n (fun j => rho * (hi - 1) * (q j + - lo * p j))).
  2: { rewrite sum_scale, sum_plus, sum_scale, Hp, Hq. ring. }
  rewrite <- sum_scale. apply sum_le. intros j Hj. destruct (H j Hj) as (Pj & Qj & Vj).
  destruct (Rle_lt_dec (p j) (q j)) as [L|L].
  - apply Rle_trans with ((hi - lo) * ((q j - p j) * rho)).
    + apply Rmult_le_compat_l; [lra|]. apply Rmult_le_compat_l; lra.
    + assert (0 <= (1 - lo) * (hi * p j - q j)) by (apply Rmult_le_pos; lra).
      assert (0 <= rho) by lra. nra.
  - apply Rle_trans with 0.
    + assert (0 <= (hi - lo) * ((p j - q j) * v j)); [|lra].
      apply Rmult_le_pos; [lra|]. apply Rmult_le_pos; lra.
    + apply Rmult_le_pos; [apply Rmult_le_pos; lra|lra].
Qed.

Lemma two_ends (lo u : R) :
  0 < lo <= 1 -> 1 < u -> 1 <= u * u * lo ->
  (u * u * lo - 1) * (1 - lo) <= (u - 1) / (u + 1) * (u * u * lo - lo).
Proof.
  intros Hl Hu Hh.
  replace ((u - 1) / (u + 1) * (u * u * lo - lo)) with ((u - 1) * (u - 1) * lo) by (field; lra).
  assert (0 <= (u * lo - 1) * (u * lo - 1)) by apply Rle_0_sqr. nra.
Qed.

(* All kernel values multiplied by factors in [f, u^2 f]. *)
Theorem ratio_bound (n : nat) (a b v : nat -> R) (f u low high : R) :
  (0 < n)%nat -> 0 < f -> 1 <= u ->
  (forall j, (j < n)%nat -> 0 < a j /\ f * a j <= b j <= u * u * f * a j) ->
  (forall j, (j < n)%nat -> low <= v j <= high) ->
  Rabs (average n b v - average n a v) <= (high - low) * ((u - 1) / (u + 1)).
Proof.
  intros Hn Hf Hu Hab Hv.
  assert (A : 0 < sum n a) by (apply sum_pos; [easy|]; intros; now apply Hab).
  assert (B : 0 < sum n b).
  { apply sum_pos; [easy|]. intros j Hj. destruct (Hab j Hj) as (P & Q & _).
    apply Rlt_le_trans with (f * a j); [now apply Rmult_lt_0_compat|easy]. }
  set (p := fun j => a j / sum n a). set (q := fun j => b j / sum n b).
  assert (Ep : sum n p = 1) by (unfold p, Rdiv; rewrite sum_scale_r; field; lra).
  assert (Eq : sum n q = 1) by (unfold q, Rdiv; rewrite sum_scale_r; field; lra).
  set (lo := f * sum n a / sum n b). set (hi := u * u * lo).
  assert (Lo : 0 < lo).
  { unfold lo. apply Rdiv_lt_0_compat; [now apply Rmult_lt_0_compat|easy]. }
  assert (Hp : forall j, (j < n)%nat -> 0 <= p j /\ lo * p j <= q j <= hi * p j).
  { intros j Hj. destruct (Hab j Hj) as (P & Q & T). unfold p, q, hi, lo.
    replace (f * sum n a / sum n b * (a j / sum n a)) with (f * a j / sum n b) by (field; lra).
    replace (u * u * (f * sum n a / sum n b) * (a j / sum n a))
      with (u * u * f * a j / sum n b) by (field; lra).
    repeat split.
    - apply Rlt_le. now apply Rdiv_lt_0_compat.
    - apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat|easy].
    - apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat|easy]. }
  assert (H1 : lo <= 1 <= hi).
  { split.
    - rewrite <- Eq. replace lo with (sum n (fun j => lo * p j)).
      + apply sum_le. intros j Hj. now apply Hp.
      + rewrite sum_scale, Ep. ring.
    - rewrite <- Eq. replace hi with (sum n (fun j => hi * p j)).
      + apply sum_le. intros j Hj. now apply Hp.
      + rewrite sum_scale, Ep. ring. }
  assert (Ea : forall c, average n b v - average n a v = sum n (fun j => (q j - p j) * (v j - c))).
  { intros c. unfold average.
    rewrite (sum_ext n (fun j => (q j - p j) * (v j - c))
      (fun j => (b j * v j) / sum n b + ((a j * v j) * (- / sum n a) + (- c) * (q j + (-1) * p j)))).
    2: { intros j _. unfold p, q, Rdiv. ring. }
    rewrite !sum_plus, sum_scale, sum_plus, sum_scale, Ep, Eq, sum_scale_r.
    unfold Rdiv. rewrite sum_scale_r. ring. }
  assert (Low : low <= high) by (specialize (Hv 0%nat Hn); lra).
  destruct (Rle_lt_or_eq_dec 1 u Hu) as [U|<-].
  2: { assert (lo = 1) by (unfold hi in *; lra).
    rewrite (Ea 0), (sum_zero n), Rabs_R0; [replace ((1 - 1) / (1 + 1)) with 0 by field; lra|].
    intros j Hj. destruct (Hp j Hj) as (_ & G). unfold hi in G. rewrite H in G.
    replace (q j) with (p j) by lra. ring. }
  assert (T := two_ends lo u ltac:(lra) U ltac:(unfold hi in *; lra)). fold hi in T.
  assert (Gap : 0 < hi - lo).
  { unfold hi. replace (u * u * lo - lo) with (lo * ((u - 1) * (u + 1))) by ring.
    apply Rmult_lt_0_compat; [easy|]. apply Rmult_lt_0_compat; lra. }
  assert (Fin : forall s, (hi - lo) * s <= (high - low) * ((hi - 1) * (1 - lo)) ->
    s <= (high - low) * ((u - 1) / (u + 1))).
  { intros s Hs. apply (Rmult_le_reg_l (hi - lo)); [easy|].
    apply Rle_trans with ((high - low) * ((hi - 1) * (1 - lo))); [easy|].
    replace ((hi - lo) * ((high - low) * ((u - 1) / (u + 1))))
      with ((high - low) * ((u - 1) / (u + 1) * (hi - lo))) by ring.
    apply Rmult_le_compat_l; [lra|exact T]. }
  apply Rabs_le. split.
  - apply Ropp_le_cancel. rewrite Ropp_involutive. apply Fin.
    rewrite (Ea high).
    replace (- sum n (fun j => (q j - p j) * (v j - high)))
      with (sum n (fun j => (q j - p j) * (high - v j))).
    2: { rewrite (sum_ext n _ (fun j => -1 * ((q j - p j) * (v j - high)))) by (intros; ring).
         rewrite sum_scale. ring. }
    apply chord; auto. intros j Hj. destruct (Hp j Hj) as (P1 & P2).
    repeat split; try tauto; specialize (Hv j Hj); lra.
  - apply Fin. rewrite (Ea low). apply chord; auto. intros j Hj. destruct (Hp j Hj) as (P1 & P2).
    repeat split; try tauto; specialize (Hv j Hj); lra.
Qed.

(* Twice that in l1 norm: the values are the signs of the differences. *)
Theorem ratio_bound_l1 (n : nat) (a b : nat -> R) (f u : R) :
  (0 < n)%nat -> 0 < f -> 1 <= u ->
  (forall j, (j < n)%nat -> 0 < a j /\ f * a j <= b j <= u * u * f * a j) ->
  sum n (fun j => Rabs (b j / sum n b - a j / sum n a)) <= 2 * ((u - 1) / (u + 1)).
Proof.
  intros Hn Hf Hu Hab.
  set (v := fun j => if Rle_dec (a j / sum n a) (b j / sum n b) then 1 else -1).
  assert (H := ratio_bound n a b v f u (-1) 1 Hn Hf Hu Hab).
  replace (sum n (fun j => Rabs (b j / sum n b - a j / sum n a)))
    with (average n b v - average n a v).
  - eapply Rle_trans; [apply Rle_abs|]. eapply Rle_trans; [apply H|lra].
    intros j _. unfold v. destruct (Rle_dec _ _); lra.
  - unfold average, Rdiv. rewrite <- !sum_scale_r, <- sum_minus. apply sum_ext. intros j _.
    unfold v, Rdiv. destruct (Rle_dec _ _) as [L|L]; [rewrite Rabs_pos_eq by lra; ring|].
    rewrite Rabs_left by lra. ring.
Qed.

Lemma tanh_half (x : R) : tanh (x / 2) = (exp x - 1) / (exp x + 1).
Proof.
  unfold tanh, sinh, cosh.
  assert (P := exp_pos (x / 2)). assert (E : exp x = exp (x / 2) * exp (x / 2)).
  { rewrite <- exp_plus. f_equal. lra. }
  rewrite E, exp_Ropp. set (y := exp (x / 2)) in *.
  assert (0 < y * y) by now apply Rmult_lt_0_compat.
  field. repeat split; nra.
Qed.

Lemma exp_artanh (eps : R) : 0 <= eps < 1 -> exp (2 * artanh eps) = (1 + eps) / (1 - eps).
Proof.
  intros H. unfold artanh. replace (2 * (ln ((1 + eps) / (1 - eps)) / 2))
    with (ln ((1 + eps) / (1 - eps))) by field.
  apply exp_ln. apply Rdiv_lt_0_compat; lra.
Qed.

Lemma artanh_pos (eps : R) : 0 <= eps < 1 -> 0 <= artanh eps.
Proof.
  intros H. unfold artanh. assert (1 <= (1 + eps) / (1 - eps)).
  { apply (Rmult_le_reg_r (1 - eps)); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra. }
  assert (0 <= ln ((1 + eps) / (1 - eps))); [|lra].
  rewrite <- ln_1. destruct (Rle_lt_or_eq_dec _ _ H0) as [L|<-]; [|lra].
  left. apply ln_increasing; lra.
Qed.

(* Factors e^x (1 + e), |x| <= zeta, |e| <= eps: both errors at once. *)
Lemma both_factors (n : nat) (a b : nat -> R) (zeta eps : R) :
  0 <= zeta -> 0 <= eps < 1 ->
  (forall j, (j < n)%nat -> 0 < a j /\ exists x e, - zeta <= x <= zeta /\ - eps <= e <= eps
     /\ b j = a j * exp x * (1 + e)) ->
  let u := exp (zeta + artanh eps) in let f := exp (- zeta) * (1 - eps) in
  0 < f /\ 1 <= u /\ forall j, (j < n)%nat -> 0 < a j /\ f * a j <= b j <= u * u * f * a j.
Proof.
  intros Hz He Hab u f.
  assert (P := exp_pos (- zeta)).
  assert (U : u * u * f = exp zeta * (1 + eps)).
  { unfold u, f. rewrite <- exp_plus.
    replace (zeta + artanh eps + (zeta + artanh eps)) with (2 * artanh eps + (zeta + zeta)) by ring.
    rewrite exp_plus, exp_artanh by easy.
    replace ((1 + eps) / (1 - eps) * exp (zeta + zeta) * (exp (- zeta) * (1 - eps)))
      with ((1 + eps) * (exp (zeta + zeta) * exp (- zeta))) by (field; lra).
    rewrite <- exp_plus. replace (zeta + zeta + - zeta) with zeta by ring. ring. }
  repeat split.
  - unfold f. apply Rmult_lt_0_compat; lra.
  - unfold u. rewrite <- exp_0. assert (Q := artanh_pos eps He).
    destruct (Rle_lt_or_eq_dec 0 (zeta + artanh eps)) as [L|<-]; [lra| |lra].
    left. now apply exp_increasing.
  - now apply Hab.
  - destruct (Hab j H) as (Pa & x & e & Hx & Hee & ->). unfold f.
    assert (exp (- zeta) <= exp x).
    { destruct (Rle_lt_or_eq_dec (- zeta) x) as [L|<-]; [lra| |lra]. left. now apply exp_increasing. }
    replace (exp (- zeta) * (1 - eps) * a j) with (a j * (exp (- zeta) * (1 - eps))) by ring.
    rewrite Rmult_assoc. apply Rmult_le_compat_l; [lra|]. apply Rmult_le_compat; lra.
  - destruct (Hab j H) as (Pa & x & e & Hx & Hee & ->). rewrite U.
    assert (exp x <= exp zeta).
    { destruct (Rle_lt_or_eq_dec x zeta) as [L|<-]; [lra| |lra]. left. now apply exp_increasing. }
    replace (exp zeta * (1 + eps) * a j) with (a j * (exp zeta * (1 + eps))) by ring.
    rewrite Rmult_assoc. apply Rmult_le_compat_l; [lra|].
    assert (Q := exp_pos x). apply Rmult_le_compat; lra.
Qed.

Theorem softmax_compose (n : nat) (a b v w : nat -> R) (zeta eps eta low high : R) :
  (0 < n)%nat -> 0 <= zeta -> 0 <= eps < 1 ->
  (forall j, (j < n)%nat -> 0 < a j /\ exists x e, - zeta <= x <= zeta /\ - eps <= e <= eps
     /\ b j = a j * exp x * (1 + e)) ->
  (forall j, (j < n)%nat -> low <= v j <= high /\ Rabs (w j - v j) <= eta) ->
  Rabs (average n b w - average n a v) <= (high - low) * tanh ((zeta + artanh eps) / 2) + eta.
Proof.
  intros Hn Hz He Hab Hv.
  destruct (both_factors n a b zeta eps Hz He Hab) as (F & U & R).
  assert (B : forall j, (j < n)%nat -> 0 < b j).
  { intros j Hj. destruct (R j Hj) as (P & Q & _).
    apply Rlt_le_trans with (2 := Q). now apply Rmult_lt_0_compat. }
  assert (Sb : 0 < sum n b) by now apply sum_pos.
  assert (Sa : 0 < sum n a) by (apply sum_pos; [easy|]; intros; now apply Hab).
  replace (average n b w - average n a v)
    with ((average n b v - average n a v) + sum n (fun j => b j * (w j - v j)) / sum n b).
  2: { rewrite (sum_ext n _ (fun j => b j * w j - b j * v j)) by (intros; ring).
       rewrite sum_minus. unfold average. field. lra. }
  eapply Rle_trans; [apply Rabs_triang|]. apply Rplus_le_compat.
  - rewrite tanh_half. apply (ratio_bound n a b v (exp (- zeta) * (1 - eps))); auto.
    intros j Hj. now apply Hv.
  - unfold Rdiv. rewrite Rabs_mult, (Rabs_pos_eq (/ sum n b)) by (left; now apply Rinv_0_lt_compat).
    apply (Rmult_le_reg_r (sum n b)); [easy|].
    rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
    eapply Rle_trans; [apply sum_abs|]. rewrite <- sum_scale. apply sum_le. intros j Hj.
    specialize (B j Hj). rewrite Rabs_mult, (Rabs_pos_eq (b j)) by lra.
    rewrite Rmult_comm. apply Rmult_le_compat_r; [lra|now apply Hv].
Qed.

Lemma artanh_0 : artanh 0 = 0.
Proof. unfold artanh. replace ((1 + 0) / (1 - 0)) with 1 by field. rewrite ln_1. lra. Qed.

Theorem softmax_logit (n : nat) (x y v : nat -> R) (zeta low high : R) :
  (0 < n)%nat -> 0 <= zeta ->
  (forall j, (j < n)%nat -> Rabs (y j - x j) <= zeta) ->
  (forall j, (j < n)%nat -> low <= v j <= high) ->
  Rabs (average n (fun j => exp (y j)) v - average n (fun j => exp (x j)) v)
    <= (high - low) * tanh (zeta / 2)
  /\ sum n (fun j => Rabs (exp (y j) / sum n (fun i => exp (y i))
                           - exp (x j) / sum n (fun i => exp (x i))))
     <= 2 * tanh (zeta / 2).
Proof.
  intros Hn Hz Hxy Hv.
  destruct (both_factors n (fun j => exp (x j)) (fun j => exp (y j)) zeta 0 Hz ltac:(lra))
    as (F & U & R).
  { intros j Hj. split; [apply exp_pos|]. exists (y j - x j), 0.
    assert (A := Hxy j Hj). apply abs_between in A.
    repeat split; try lra. rewrite <- exp_plus. rewrite Rplus_0_r, Rmult_1_r. f_equal. ring. }
  rewrite artanh_0, Rplus_0_r in U, R. rewrite tanh_half. split.
  - apply (ratio_bound n _ _ v (exp (- zeta) * (1 - 0))); auto.
  - apply (ratio_bound_l1 n _ _ (exp (- zeta) * (1 - 0))); auto.
Qed.

Theorem softmax_relative (n : nat) (a b v : nat -> R) (eps low high : R) :
  (0 < n)%nat -> 0 <= eps < 1 ->
  (forall j, (j < n)%nat -> 0 < a j /\ Rabs (b j - a j) <= eps * a j) ->
  (forall j, (j < n)%nat -> low <= v j <= high) ->
  Rabs (average n b v - average n a v) <= (high - low) * tanh (artanh eps / 2)
  /\ sum n (fun j => Rabs (b j / sum n b - a j / sum n a)) <= 2 * tanh (artanh eps / 2).
Proof.
  intros Hn He Hab Hv.
  destruct (both_factors n a b 0 eps ltac:(lra) He) as (F & U & R).
  { intros j Hj. destruct (Hab j Hj) as (P & Q). split; [easy|]. exists 0, (b j / a j - 1).
    rewrite exp_0. apply abs_between in Q. repeat split; try lra.
    - apply (Rmult_le_reg_r (a j)); [easy|]. field_simplify; lra.
    - apply (Rmult_le_reg_r (a j)); [easy|]. field_simplify; lra.
    - field. lra. }
  rewrite Rplus_0_l in U, R. rewrite tanh_half. split.
  - apply (ratio_bound n _ _ v (exp (- 0) * (1 - eps))); auto.
  - apply (ratio_bound_l1 n _ _ (exp (- 0) * (1 - eps))); auto.
Qed.

(* Attained by two tokens: no smaller constant serves. *)
Definition pair (a b : R) (j : nat) : R := match j with O => a | _ => b end.

Theorem softmax_logit_sharp (zeta : R) :
  0 <= zeta -> exists x y : nat -> R,
  (forall j, Rabs (y j - x j) <= zeta) /\
  average 2 (fun j => exp (y j)) (pair 1 0) - average 2 (fun j => exp (x j)) (pair 1 0)
    = tanh (zeta / 2).
Proof.
  intros Hz. exists (pair 0 zeta), (pair zeta 0). split.
  - intros [|j]; simpl; rewrite ?Rminus_0_r, ?Rminus_0_l, ?Rabs_Ropp, Rabs_pos_eq; lra.
  - rewrite tanh_half. unfold average. simpl. rewrite exp_0.
    assert (P := exp_pos zeta). field. lra.
Qed.

Theorem softmax_relative_sharp (eps : R) :
  0 <= eps < 1 -> exists a b : nat -> R,
  (forall j, 0 < a j /\ Rabs (b j - a j) <= eps * a j) /\
  average 2 b (pair 1 0) - average 2 a (pair 1 0) = tanh (artanh eps / 2).
Proof.
  intros He. set (u := exp (artanh eps)).
  assert (P : 0 < u) by apply exp_pos.
  assert (U : u * u = (1 + eps) / (1 - eps)).
  { unfold u. rewrite <- exp_plus, <- exp_artanh by easy. f_equal. ring. }
  exists (pair 1 u), (pair (1 + eps) (u * (1 - eps))). split.
  - intros [|j]; simpl.
    + replace (1 + eps - 1) with eps by ring. rewrite Rabs_pos_eq; lra.
    + replace (u * (1 - eps) - u) with (- (eps * u)) by ring.
      rewrite Rabs_Ropp, Rabs_pos_eq; [lra|]. apply Rmult_le_pos; lra.
  - rewrite tanh_half. fold u. unfold average. simpl.
    assert (E : 1 + eps = u * u * (1 - eps)) by (rewrite U; field; lra).
    rewrite E. field. repeat split; nra.
Qed.
