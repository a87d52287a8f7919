(* Claim moment-certificate, lemmas 1 to 3: the output error of quadratic features, from moments. *)

From Coq Require Import Reals Lra Lia Psatz.
From Coquelicot Require Import Coquelicot.
From Varnum Require Import Sums Softmax.
Open Scope R_scope.

(* From 0 on, a function grows where its derivative is not negative. *)
Lemma grows (f f' : R -> R) (t : R) :
  0 <= t -> (forall x, is_derive f x (f' x)) -> (forall x, 0 <= x <= t -> 0 <= f' x) -> f 0 <= f t.
Proof.
  intros Ht Hd Hp. destruct Ht as [Ht|<-]; [|lra].
  destruct (MVT_cor2 f f' 0 t Ht) as (c & E & I).
  - intros c _. now apply is_derive_Reals.
  - assert (0 <= f' c) by (apply Hp; lra). nra.
Qed.

(* Lemma 1. *)
Section Hull.
Variables (n : nat) (w x p v : nat -> R) (low high : R).
Hypothesis some : (0 < n)%nat.
Hypothesis weights : forall j, (j < n)%nat -> 0 < w j.
Hypothesis values : forall j, (j < n)%nat -> low <= v j <= high.

Definition expect (f : nat -> R) : R := sum n (fun j => w j * f j) / sum n w.
Definition approximate : R := average n (fun j => w j * p j) v.
Definition exact : R := average n (fun j => w j * exp (x j)) v.

Lemma weights_pos : 0 < sum n w.
Proof. now apply sum_pos. Qed.

Lemma exact_between : low <= exact <= high.
Proof.
  unfold exact, average. set (a := fun j => w j * exp (x j)).
  assert (A : forall j, (j < n)%nat -> 0 < a j).
  { intros j Hj. apply Rmult_lt_0_compat; [auto|apply exp_pos]. }
  assert (S : 0 < sum n a) by now apply sum_pos.
  split; apply (Rmult_le_reg_r (sum n a)); try easy; unfold Rdiv;
    rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra; rewrite <- sum_scale; apply sum_le;
    intros j Hj; specialize (A j Hj); specialize (values j Hj);
    (rewrite (Rmult_comm low) || rewrite (Rmult_comm high)); apply Rmult_le_compat_l;
    try (left; exact A); lra.
Qed.

Theorem hull_form :
  0 < expect p ->
  Rabs (approximate - exact) <= (high - low) * (expect (fun j => Rabs (p j - exp (x j))) / expect p).
Proof.
  intros D. assert (W := weights_pos). assert (B := exact_between).
  assert (Dp : 0 < sum n (fun j => w j * p j)).
  { apply (Rmult_lt_reg_r (/ sum n w)); [now apply Rinv_0_lt_compat|]. unfold expect, Rdiv in D. lra. }
  assert (De : 0 < sum n (fun j => w j * exp (x j))).
  { apply sum_pos; [easy|]. intros j Hj. apply Rmult_lt_0_compat; [auto|apply exp_pos]. }
  assert (Z : sum n (fun j => w j * exp (x j) * (v j - exact)) = 0).
  { rewrite (sum_ext n _ (fun j => w j * exp (x j) * v j + - exact * (w j * exp (x j))))
      by (intros; ring).
    rewrite sum_plus, sum_scale. unfold exact, average. field. lra. }
  assert (E : approximate - exact
    = sum n (fun j => w j * (p j - exp (x j)) * (v j - exact)) / sum n (fun j => w j * p j)).
  { rewrite (sum_ext n _ (fun j => w j * p j * v j
      + (- exact * (w j * p j) + -1 * (w j * exp (x j) * (v j - exact))))) by (intros; ring).
    rewrite !sum_plus, !sum_scale, Z. unfold approximate, average. field. lra. }
  rewrite E. unfold Rdiv at 1. rewrite Rabs_mult, (Rabs_pos_eq (/ _))
    by (left; now apply Rinv_0_lt_compat).
  unfold expect. set (q := sum n (fun j => w j * p j)) in *.
  replace ((high - low) * (sum n (fun j => w j * Rabs (p j - exp (x j))) / sum n w / (q / sum n w)))
    with (((high - low) * sum n (fun j => w j * Rabs (p j - exp (x j)))) * / q) by (field; lra).
  apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat|].
  eapply Rle_trans; [apply sum_abs|]. rewrite <- sum_scale. apply sum_le. intros j Hj.
  rewrite !Rabs_mult, (Rabs_pos_eq (w j)) by (left; auto).
  rewrite (Rmult_comm (high - low)). apply Rmult_le_compat_l.
  - apply Rmult_le_pos; [left; auto|apply Rabs_pos].
  - specialize (values j Hj). apply Rabs_le. lra.
Qed.

(* Lemma 2: logits x_j + ln w_j + rho + z_j with |z_j| <= zeta. *)
Lemma tanh_below (z : R) : 0 <= z -> tanh (z / 2) <= z / 2.
Proof.
  intros Hz. rewrite tanh_half. assert (P := exp_pos z).
  assert (G : 0 <= z * (exp z + 1) - 2 * (exp z - 1)).
  { replace 0 with (0 * (exp 0 + 1) - 2 * (exp 0 - 1)) by (rewrite exp_0; ring).
    apply (grows (fun t => t * (exp t + 1) - 2 * (exp t - 1)) (fun t => t * exp t - exp t + 1)); [easy| |].
    - intros t. auto_derive; [easy|ring].
    - intros t Ht. replace 0 with (0 * exp 0 - exp 0 + 1) by (rewrite exp_0; ring).
      apply (grows (fun s => s * exp s - exp s + 1) (fun s => s * exp s)); [lra| |].
      + intros s. auto_derive; [easy|ring].
      + intros s Hs. apply Rmult_le_pos; [lra|left; apply exp_pos]. }
  apply (Rmult_le_reg_r (exp z + 1)); [lra|].
  replace ((exp z - 1) / (exp z + 1) * (exp z + 1)) with (exp z - 1) by (field; lra). lra.
Qed.

Theorem logit_error (rho zeta : R) (z : nat -> R) :
  0 <= zeta -> (forall j, (j < n)%nat -> Rabs (z j) <= zeta) ->
  let out := average n (fun j => exp (x j + ln (w j) + rho + z j)) v in
  Rabs (out - exact) <= (high - low) * tanh (zeta / 2)
  /\ Rabs (out - exact) <= (high - low) * (zeta / 2).
Proof.
  intros Hz Hzj out.
  assert (A : Rabs (out - exact) <= (high - low) * tanh (zeta / 2)).
  { rewrite tanh_half. apply (ratio_bound n _ _ v (exp (rho - zeta))); auto.
    - apply exp_pos.
    - rewrite <- exp_0. destruct Hz as [Hz|<-]; [left; now apply exp_increasing|lra].
    - intros j Hj. assert (W := weights j Hj). split; [apply Rmult_lt_0_compat; [easy|apply exp_pos]|].
      assert (B := abs_between _ _ (Hzj j Hj)).
      replace (x j + ln (w j) + rho + z j) with (ln (w j) + (x j + (rho + z j))) by ring.
      rewrite exp_plus, exp_ln, exp_plus by easy.
      assert (M : forall s t, s <= t -> exp s <= exp t).
      { intros s t [L|L]; [left; now apply exp_increasing|rewrite L; lra]. }
      assert (L1 := M (rho - zeta) (rho + z j) ltac:(lra)).
      assert (L2 := M (rho + z j) (zeta + zeta + (rho - zeta)) ltac:(lra)).
      rewrite (exp_plus (zeta + zeta)), (exp_plus zeta) in L2. assert (X := exp_pos (x j)).
      replace (exp (rho - zeta) * (w j * exp (x j))) with (w j * (exp (x j) * exp (rho - zeta))) by ring.
      replace (exp zeta * exp zeta * exp (rho - zeta) * (w j * exp (x j)))
        with (w j * (exp (x j) * (exp zeta * exp zeta * exp (rho - zeta)))) by ring.
      split; apply Rmult_le_compat_l; try lra; apply Rmult_le_compat_l; lra. }
  split; [easy|]. eapply Rle_trans; [exact A|]. apply Rmult_le_compat_l; [|now apply tanh_below].
  specialize (values 0%nat some). lra.
Qed.
End Hull.

(* Lemma 3. The remainder of exp after its square. *)
Definition rest (t : R) : R := exp t - 1 - t - t * t / 2.

Lemma rest_even (t : R) : 0 <= t -> Rabs (rest (- t)) <= rest t /\ Rabs (rest t) = rest t.
Proof.
  intros Ht.
  assert (P : 0 <= rest t).
  { replace 0 with (rest 0) by (unfold rest; rewrite exp_0; field).
    apply (grows rest (fun s => exp s - 1 - s)); [easy| |].
    - intros s. unfold rest. auto_derive; [easy|field].
    - intros s Hs. assert (Q := exp_ineq1_le s). lra. }
  assert (N : rest (- t) <= 0).
  { assert (G : - rest (- 0) <= - rest (- t)).
    { apply (grows (fun s => - rest (- s)) (fun s => exp (- s) - 1 + s)); [easy| |].
      - intros s. unfold rest. auto_derive; [easy|field].
      - intros s Hs. assert (Q := exp_ineq1_le (- s)). lra. }
    replace (- rest (- 0)) with 0 in G by (unfold rest; rewrite Ropp_0, exp_0; field). lra. }
  assert (S : 0 <= rest t + rest (- t)).
  { assert (G : rest 0 + rest (- 0) <= rest t + rest (- t)).
    { apply (grows (fun s => rest s + rest (- s)) (fun s => exp s - exp (- s) - 2 * s)); [easy| |].
      - intros s. unfold rest. auto_derive; [easy|field].
      - intros s Hs. replace 0 with (exp 0 - exp (- 0) - 2 * 0) by (rewrite Ropp_0; ring).
        apply (grows (fun q => exp q - exp (- q) - 2 * q) (fun q => exp q + exp (- q) - 2)); [lra| |].
        + intros q. auto_derive; [easy|ring].
        + intros q _. assert (A := exp_ineq1_le q). assert (B := exp_ineq1_le (- q)). lra. }
    replace (rest 0 + rest (- 0)) with 0 in G by (unfold rest; rewrite Ropp_0, exp_0; field). lra. }
  split; [rewrite Rabs_left1 by easy; lra|now apply Rabs_pos_eq].
Qed.

(* rest t / t^3 grows: rest (l B) <= l^3 rest B. *)
Lemma rest_cubic (l B : R) : 0 <= l <= 1 -> 0 <= B -> rest (l * B) <= l ^ 3 * rest B.
Proof.
  intros Hl HB.
  assert (G : l ^ 3 * rest 0 - rest (l * 0) <= l ^ 3 * rest B - rest (l * B)).
  { apply (grows (fun s => l ^ 3 * rest s - rest (l * s))
      (fun s => l ^ 3 * (exp s - 1 - s) - l * (exp (l * s) - 1 - l * s))); [easy| |].
    - intros s. unfold rest. auto_derive; [easy|field].
    - intros s Hs.
      replace 0 with (l ^ 3 * (exp 0 - 1 - 0) - l * (exp (l * 0) - 1 - l * 0))
        by (rewrite Rmult_0_r, exp_0; ring).
      apply (grows (fun q => l ^ 3 * (exp q - 1 - q) - l * (exp (l * q) - 1 - l * q))
        (fun q => l ^ 3 * (exp q - 1) - l ^ 2 * (exp (l * q) - 1))); [lra| |].
      + intros q. auto_derive; [easy|ring].
      + intros q Hq. replace 0 with (l ^ 3 * (exp 0 - 1) - l ^ 2 * (exp (l * 0) - 1))
          by (rewrite Rmult_0_r, exp_0; ring).
        apply (grows (fun r => l ^ 3 * (exp r - 1) - l ^ 2 * (exp (l * r) - 1))
          (fun r => l ^ 3 * (exp r - exp (l * r)))); [lra| |].
        * intros r. auto_derive; [easy|ring].
        * intros r Hr. apply Rmult_le_pos; [apply pow_le; lra|].
          assert (l * r <= r) by nra.
          destruct H as [L|L]; [apply exp_increasing in L; lra|rewrite L; lra]. }
  replace (l ^ 3 * rest 0 - rest (l * 0)) with 0 in G
    by (unfold rest; rewrite !Rmult_0_r, exp_0; field). lra.
Qed.

Lemma rest_bound (x B : R) : 0 < B -> Rabs x <= B -> Rabs (rest x) <= Rabs x ^ 3 * (rest B / B ^ 3).
Proof.
  intros HB Hx. assert (P := Rabs_pos x).
  assert (R1 : Rabs (rest x) <= rest (Rabs x)).
  { destruct (Rle_lt_dec 0 x) as [L|L].
    - rewrite (Rabs_pos_eq x) by easy. right. now apply rest_even.
    - rewrite (Rabs_left x) by easy. rewrite <- (Ropp_involutive x) at 1. apply rest_even. lra. }
  eapply Rle_trans; [exact R1|].
  assert (C := rest_cubic (Rabs x / B) B).
  replace (Rabs x / B * B) with (Rabs x) in C by (field; lra).
  replace (Rabs x ^ 3 * (rest B / B ^ 3)) with ((Rabs x / B) ^ 3 * rest B) by (field; lra).
  apply C; [|lra]. split.
  - apply Rmult_le_pos; [easy|left; now apply Rinv_0_lt_compat].
  - apply (Rmult_le_reg_r B); [easy|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.

Section Moments.
Variables (n : nat) (w a y : nat -> R) (B : R).
Hypothesis some : (0 < n)%nat.
Hypothesis weights : forall j, (j < n)%nat -> 0 < w j.
Hypothesis B_pos : 0 < B.
Let x (j : nat) : R := a j + y j.
Hypothesis within : forall j, (j < n)%nat -> Rabs (x j) <= B.

Let E (f : nat -> R) : R := expect n w f.

Lemma E_le (f g : nat -> R) : (forall j, (j < n)%nat -> f j <= g j) -> E f <= E g.
Proof.
  intros H. unfold E, expect. apply Rmult_le_compat_r.
  - left. apply Rinv_0_lt_compat. now apply sum_pos.
  - apply sum_le. intros j Hj. apply Rmult_le_compat_l; [left; auto|auto].
Qed.

Lemma E_plus (f g : nat -> R) : E (fun j => f j + g j) = E f + E g.
Proof.
  unfold E, expect. rewrite (sum_ext n _ (fun j => w j * f j + w j * g j)) by (intros; ring).
  rewrite sum_plus. unfold Rdiv. ring.
Qed.

Lemma E_scale (c : R) (f : nat -> R) : E (fun j => c * f j) = c * E f.
Proof.
  unfold E, expect. rewrite (sum_ext n _ (fun j => c * (w j * f j))) by (intros; ring).
  rewrite sum_scale. unfold Rdiv. ring.
Qed.

Lemma E_nonneg (f : nat -> R) : (forall j, (j < n)%nat -> 0 <= f j) -> 0 <= E f.
Proof.
  intros H. unfold E, expect. apply Rmult_le_pos.
  - apply sum_nonneg. intros j Hj. apply Rmult_le_pos; [left; auto|auto].
  - left. apply Rinv_0_lt_compat. now apply sum_pos.
Qed.

Lemma E_cauchy (f g : nat -> R) :
  E (fun j => f j * g j) <= sqrt (E (fun j => f j * f j) * E (fun j => g j * g j)).
Proof.
  apply Rle_trans with (Rabs (E (fun j => f j * g j))); [apply Rle_abs|].
  rewrite <- sqrt_Rsqr_abs. apply sqrt_le_1_alt. unfold Rsqr, E, expect.
  assert (W : 0 < sum n w) by now apply sum_pos.
  assert (C := cauchy_schwarz n w f g ltac:(intros; left; auto)).
  set (fg := sum n (fun j => w j * (f j * g j))) in *.
  set (ff := sum n (fun j => w j * (f j * f j))) in *.
  set (gg := sum n (fun j => w j * (g j * g j))) in *.
  replace (fg / sum n w * (fg / sum n w)) with (fg * fg * (/ sum n w * / sum n w)) by (field; lra).
  replace (ff / sum n w * (gg / sum n w)) with (ff * gg * (/ sum n w * / sum n w)) by (field; lra).
  apply Rmult_le_compat_r; [|exact C]. apply Rle_0_sqr.
Qed.

Theorem moments :
  E (fun j => Rabs (1 + x j + a j * a j / 2 - exp (x j)))
  <= sqrt (E (fun j => x j * x j) * E (fun j => y j * y j)) + E (fun j => y j * y j) / 2
     + rest B / B ^ 3 * sqrt (E (fun j => x j * x j) * E (fun j => x j ^ 4)).
Proof.
  assert (K : 0 <= rest B / B ^ 3).
  { assert (H := rest_even B ltac:(lra)). destruct H as [_ H]. rewrite <- H.
    apply Rmult_le_pos; [apply Rabs_pos|left; apply Rinv_0_lt_compat, pow_lt; lra]. }
  apply Rle_trans with (E (fun j => Rabs (x j) * Rabs (y j) + (1 / 2 * (y j * y j)
    + rest B / B ^ 3 * (Rabs (x j) * (x j * x j))))).
  - apply E_le. intros j Hj.
    replace (1 + x j + a j * a j / 2 - exp (x j))
      with (- (x j * y j) + (1 / 2 * (y j * y j) + - rest (x j)))
      by (unfold rest, x; field).
    eapply Rle_trans; [apply Rabs_triang|]. apply Rplus_le_compat.
    + rewrite Rabs_Ropp, Rabs_mult. lra.
    + eapply Rle_trans; [apply Rabs_triang|]. apply Rplus_le_compat.
      * rewrite Rabs_pos_eq; [lra|]. assert (0 <= y j * y j) by apply Rle_0_sqr. lra.
      * rewrite Rabs_Ropp. eapply Rle_trans; [apply (rest_bound (x j) B); auto|].
        right. replace (x j * x j) with (Rabs (x j) * Rabs (x j)); [ring|].
        rewrite <- Rabs_mult. apply Rabs_pos_eq. apply Rle_0_sqr.
  - rewrite !E_plus, !E_scale.
    assert (Ab : forall f : nat -> R, E (fun j => Rabs (f j) * Rabs (f j)) = E (fun j => f j * f j)).
    { intros f. unfold E, expect. f_equal. apply sum_ext. intros j _. rewrite <- Rabs_mult.
      rewrite Rabs_pos_eq; [easy|]. apply Rle_0_sqr. }
    assert (C1 := E_cauchy (fun j => Rabs (x j)) (fun j => Rabs (y j))). cbv beta in C1.
    rewrite (Ab x), (Ab y) in C1.
    assert (C2 := E_cauchy (fun j => Rabs (x j)) (fun j => x j * x j)). cbv beta in C2.
    rewrite (Ab x) in C2.
    replace (E (fun j => x j * x j * (x j * x j))) with (E (fun j => x j ^ 4)) in C2.
    2: { unfold E, expect. f_equal. apply sum_ext. intros; ring. }
    apply (Rmult_le_compat_l (rest B / B ^ 3)) in C2; [|easy]. lra.
Qed.

(* The fourth moment: (E x^4)^(1/4) <= (E a^4)^(1/4) + (E y^4)^(1/4). *)
Theorem fourth_moment (s t : R) :
  0 <= s -> 0 <= t -> E (fun j => a j ^ 4) <= s ^ 4 -> E (fun j => y j ^ 4) <= t ^ 4 ->
  E (fun j => x j ^ 4) <= (s + t) ^ 4.
Proof.
  intros Hs Ht Ha Hy.
  assert (N4 : forall f : nat -> R, 0 <= E (fun j => f j ^ 4)).
  { intros f. apply E_nonneg. intros j _. replace (f j ^ 4) with (Rsqr (f j * f j)) by (unfold Rsqr; ring).
    apply Rle_0_sqr. }
  assert (Sq : forall f g u v, 0 <= u -> 0 <= v ->
    0 <= E (fun j => f j * f j) <= u * u -> 0 <= E (fun j => g j * g j) <= v * v ->
    E (fun j => f j * g j) <= u * v).
  { intros f g u v Hu Hv Hf Hg. eapply Rle_trans; [apply E_cauchy|].
    rewrite <- (sqrt_Rsqr (u * v)) by now apply Rmult_le_pos. apply sqrt_le_1_alt. unfold Rsqr.
    replace (u * v * (u * v)) with (u * u * (v * v)) by ring. apply Rmult_le_compat; tauto. }
  assert (Eq : forall f g : nat -> R, (forall j, f j = g j) -> E f = E g).
  { intros f g H. unfold E, expect. f_equal. apply sum_ext. intros j _. now rewrite H. }
  assert (A4 : 0 <= E (fun j => a j * a j * (a j * a j)) <= s * s * (s * s)).
  { rewrite (Eq _ (fun j => a j ^ 4)) by (intros; ring). split; [apply N4|]. lra. }
  assert (Y4 : 0 <= E (fun j => y j * y j * (y j * y j)) <= t * t * (t * t)).
  { rewrite (Eq _ (fun j => y j ^ 4)) by (intros; ring). split; [apply N4|]. lra. }
  assert (Ps : 0 <= s * s) by apply Rle_0_sqr. assert (Pt : 0 <= t * t) by apply Rle_0_sqr.
  assert (Pst : 0 <= s * t) by now apply Rmult_le_pos.
  assert (M22 := Sq (fun j => a j * a j) (fun j => y j * y j) (s * s) (t * t) Ps Pt A4 Y4).
  cbv beta in M22.
  assert (AY : 0 <= E (fun j => a j * y j * (a j * y j)) <= s * t * (s * t)).
  { split; [apply E_nonneg; intros; apply Rle_0_sqr|].
    rewrite (Eq _ (fun j => a j * a j * (y j * y j))) by (intros; ring). lra. }
  assert (M31 := Sq (fun j => a j * a j) (fun j => a j * y j) (s * s) (s * t) Ps Pst A4 AY).
  assert (M13 := Sq (fun j => y j * y j) (fun j => a j * y j) (t * t) (s * t) Pt Pst Y4 AY).
  cbv beta in M31, M13.
  rewrite (Eq _ (fun j => a j * a j * (a j * a j) + (4 * (a j * a j * (a j * y j))
    + (6 * (a j * a j * (y j * y j)) + (4 * (y j * y j * (a j * y j)) + y j * y j * (y j * y j)))))).
  2: { intros j. unfold x. ring. }
  rewrite !E_plus, !E_scale. lra.
Qed.

Theorem fourth_moment_small (By : R) :
  (forall j, (j < n)%nat -> Rabs (y j) <= By) ->
  E (fun j => y j ^ 4) <= By * By * E (fun j => y j * y j).
Proof.
  intros H. rewrite <- E_scale. apply E_le. intros j Hj.
  replace (y j ^ 4) with (y j * y j * (y j * y j)) by ring.
  apply Rmult_le_compat_r; [apply Rle_0_sqr|].
  specialize (H j Hj). replace (y j * y j) with (Rabs (y j) * Rabs (y j)).
  - apply Rmult_le_compat; (easy || apply Rabs_pos).
  - rewrite <- Rabs_mult. apply Rabs_pos_eq. apply Rle_0_sqr.
Qed.
End Moments.
