(* Claims seth-head and ov-to-hamming: a softmax head that finds words near in Hamming distance. *)

From Coq Require Import Reals Bool Lra Lia Psatz.
From Varnum Require Import Sums Softmax.
Open Scope R_scope.

Definition sign (b : bool) : R := if b then 1 else -1.

Fixpoint hamming (m : nat) (x y : nat -> bool) : nat :=
  match m with
  | O => 0
  | S k => hamming k x y + if eqb (x k) (y k) then 0 else 1
  end.

Fixpoint common (m : nat) (u v : nat -> bool) : nat :=
  match m with
  | O => 0
  | S k => common k u v + if u k && v k then 1 else 0
  end.

Lemma hamming_bound (m : nat) (x y : nat -> bool) : (hamming m x y <= m)%nat.
Proof. induction m; simpl; [lia|]. destruct (eqb _ _); lia. Qed.

Lemma hamming_ext (m : nat) (x y x' y' : nat -> bool) :
  (forall i, (i < m)%nat -> x i = x' i /\ y i = y' i) -> hamming m x y = hamming m x' y'.
Proof.
  induction m; intros H; simpl; [easy|]. rewrite IHm by auto. destruct (H m) as [-> ->]; auto.
Qed.

Lemma hamming_split (m n : nat) (x y : nat -> bool) :
  hamming (m + n) x y
  = (hamming m x y + hamming n (fun i => x (m + i)%nat) (fun i => y (m + i)%nat))%nat.
Proof.
  induction n; [rewrite Nat.add_0_r; simpl; lia|]. rewrite Nat.add_succ_r. simpl. rewrite IHn. lia.
Qed.

Lemma sign_dot (m : nat) (s : R) (x y : nat -> bool) :
  sum m (fun i => s * sign (x i) * (s * sign (y i))) = s * s * (INR m - 2 * INR (hamming m x y)).
Proof.
  induction m; [simpl; ring|]. simpl sum. rewrite IHm, S_INR. simpl hamming. rewrite plus_INR.
  destruct (x m), (y m); simpl; ring.
Qed.

(* One head. Query and keys have m coordinates for the word and g for a constant; the last of the
   n + 1 keys is a dummy of value 0, the others have value 1. *)
Section Head.
Variables (m g t t2 n : nat) (s sigma : R) (x : nat -> bool) (y : nat -> nat -> bool).
Hypothesis t_below : (t < t2)%nat.
Hypothesis keys : (0 < n)%nat.
Hypothesis sigma_pos : 0 < sigma.
Hypothesis dummies : INR g = Rabs (INR m - 2 * INR t).
Hypothesis rate_high : s * s / sigma >= ln (3 * INR n) / (2 * (INR t2 - INR t)).

Definition sgn (r : R) : R := if Rle_dec 0 r then 1 else -1.

Definition query (i : nat) : R := if (i <? m)%nat then s * sign (x i) else s.
Definition key (j i : nat) : R :=
  if (j <? n)%nat then (if (i <? m)%nat then s * sign (y j i) else 0)
  else (if (i <? m)%nat then 0 else s * sgn (INR m - 2 * INR t)).
Definition value (j : nat) : R := if (j <? n)%nat then 1 else 0.
Definition logit (j : nat) : R := dot (m + g) query (key j) / sigma.
Definition out : R := average (n + 1) (fun j => exp (logit j)) value.

Let rate := s * s / sigma.

Lemma key_logit (j : nat) : (j < n)%nat -> logit j = rate * (INR m - 2 * INR (hamming m x (y j))).
Proof using sigma_pos.
  clear t_below keys rate_high dummies.
  intros Hj. unfold logit, dot. rewrite sum_split.
  rewrite (sum_ext m _ (fun i => s * sign (x i) * (s * sign (y j i)))).
  2: { intros i Hi. unfold query, key. apply Nat.ltb_lt in Hi, Hj. now rewrite Hi, Hj. }
  rewrite sign_dot, (sum_zero g).
  2: { intros i _. unfold key. apply Nat.ltb_lt in Hj. rewrite Hj.
       replace ((m + i <? m)%nat) with false; [ring|]. symmetry. apply Nat.ltb_ge. lia. }
  unfold rate. field. lra.
Qed.

Lemma dummy_logit : logit n = rate * (INR m - 2 * INR t).
Proof using sigma_pos dummies.
  clear t_below keys rate_high.
  unfold logit, dot. rewrite sum_split, (sum_zero m).
  2: { intros i Hi. unfold key. rewrite Nat.ltb_irrefl. apply Nat.ltb_lt in Hi. rewrite Hi. ring. }
  rewrite (sum_ext g _ (fun _ => s * (s * sgn (INR m - 2 * INR t)))).
  2: { intros i _. unfold query, key. rewrite Nat.ltb_irrefl.
       replace ((m + i <? m)%nat) with false; [easy|]. symmetry. apply Nat.ltb_ge. lia. }
  rewrite sum_const, dummies. unfold rate, sgn. destruct (Rle_dec _ _) as [L|L].
  - rewrite Rabs_pos_eq by easy. field. lra.
  - rewrite Rabs_left by lra. field. lra.
Qed.

Lemma rate_pos : 0 <= rate.
Proof. unfold rate. apply Rmult_le_pos; [apply Rle_0_sqr|left; now apply Rinv_0_lt_compat]. Qed.

Lemma n_pos : 1 <= INR n.
Proof. apply (le_INR 1). lia. Qed.

(* R, the weight of the keys over that of the dummy. *)
Definition weight : R := sum n (fun j => exp (2 * rate * (INR t - INR (hamming m x (y j))))).

Lemma out_weight : out = weight / (1 + weight).
Proof using sigma_pos dummies.
  clear t_below keys rate_high.
  unfold out, average. rewrite !Nat.add_1_r. simpl.
  set (z := exp (logit n)). assert (Z : 0 < z) by apply exp_pos.
  assert (E : sum n (fun j => exp (logit j)) = z * weight).
  { unfold weight. rewrite <- sum_scale. apply sum_ext. intros j Hj. unfold z.
    rewrite <- exp_plus. f_equal. rewrite key_logit, dummy_logit by easy. ring. }
  rewrite (sum_ext n _ (fun j => exp (logit j))).
  2: { intros j Hj. unfold value. apply Nat.ltb_lt in Hj. rewrite Hj. ring. }
  rewrite E. unfold value. rewrite Nat.ltb_irrefl.
  assert (0 <= weight) by (apply sum_nonneg; intros; left; apply exp_pos).
  field. split; nra.
Qed.

Theorem close : (exists j, (j < n)%nat /\ (hamming m x (y j) <= t)%nat) -> 1 / 2 <= out.
Proof.
  intros (j & Hj & H). rewrite out_weight.
  assert (W : 1 <= weight).
  { apply Rle_trans with (exp (2 * rate * (INR t - INR (hamming m x (y j))))).
    - apply le_INR in H. assert (P := rate_pos). rewrite <- exp_0 at 1.
      assert (0 <= 2 * rate * (INR t - INR (hamming m x (y j)))) by (apply Rmult_le_pos; lra).
      destruct H0 as [L|L]; [left; now apply exp_increasing|rewrite <- L; now right].
    - unfold weight.
      apply (sum_term n j (fun k => exp (2 * rate * (INR t - INR (hamming m x (y k)))))); [|easy].
      intros k _. left. apply exp_pos. }
  apply (Rmult_le_reg_r (1 + weight)); [lra|].
  replace (weight / (1 + weight) * (1 + weight)) with weight by (field; lra). lra.
Qed.

Theorem far : (forall j, (j < n)%nat -> (t2 <= hamming m x (y j))%nat) -> out <= 1 / 4.
Proof.
  intros H. rewrite out_weight. assert (Hn := n_pos).
  assert (W : weight <= 1 / 3).
  { apply Rle_trans with (sum n (fun _ => 1 / (3 * INR n))).
    - apply sum_le. intros j Hj. specialize (H j Hj). apply le_INR in H. apply lt_INR in t_below.
      replace (1 / (3 * INR n)) with (exp (- ln (3 * INR n))).
      2: { rewrite exp_Ropp, exp_ln by lra. field. lra. }
      assert (L : 2 * rate * (INR t - INR (hamming m x (y j))) <= - ln (3 * INR n)).
      { fold rate in rate_high. assert (P := rate_pos).
        assert (rate * (2 * (INR t2 - INR t)) >= ln (3 * INR n)).
        { apply Rle_ge. apply Rge_le in rate_high.
          apply (Rmult_le_compat_r (2 * (INR t2 - INR t))) in rate_high; [|lra].
          unfold Rdiv in rate_high. rewrite Rmult_assoc, Rinv_l, Rmult_1_r in rate_high by lra.
          exact rate_high. }
        assert (0 <= rate * (INR (hamming m x (y j)) - INR t2)) by (apply Rmult_le_pos; lra). lra. }
      destruct L as [L|L]; [left; now apply exp_increasing|rewrite L; now right].
    - rewrite sum_const. right. field. lra. }
  assert (0 <= weight) by (apply sum_nonneg; intros; left; apply exp_pos).
  apply (Rmult_le_reg_r (1 + weight)); [lra|].
  replace (weight / (1 + weight) * (1 + weight)) with weight by (field; lra). lra.
Qed.

(* An evaluation with an error below 1/8 decides at 3/8. *)
Theorem seth_head (computed : R) :
  Rabs (computed - out) < 1 / 8 ->
  ((exists j, (j < n)%nat /\ (hamming m x (y j) <= t)%nat) -> computed > 3 / 8) /\
  ((forall j, (j < n)%nat -> (t2 <= hamming m x (y j))%nat) -> computed < 3 / 8).
Proof.
  intros H. apply Rabs_def2 in H. split; intros C; [apply close in C|apply far in C]; lra.
Qed.

Theorem logits_bounded (j : nat) :
  (j <= n)%nat -> Rabs (logit j) <= s * s / sigma * Rmax (INR m) (INR g).
Proof.
  intros Hj. assert (P := rate_pos). fold rate. destruct (Nat.eq_dec j n) as [->|].
  - rewrite dummy_logit, Rabs_mult, (Rabs_pos_eq rate) by easy.
    apply Rmult_le_compat_l; [easy|]. rewrite <- dummies. apply Rmax_r.
  - rewrite key_logit, Rabs_mult, (Rabs_pos_eq rate) by (easy || lia).
    apply Rmult_le_compat_l; [easy|]. eapply Rle_trans; [|apply Rmax_l].
    assert (B := hamming_bound m x (y j)). apply le_INR in B. assert (0 <= INR (hamming m x (y j))) by apply pos_INR.
    apply Rabs_le. lra.
Qed.
End Head.

(* Both bounds are attained: one key exactly at t, and all keys exactly at t2. *)
Lemma exact_weight (m t n h : nat) (s sigma : R) (x : nat -> bool) (y : nat -> nat -> bool) :
  (forall j, (j < n)%nat -> hamming m x (y j) = h) ->
  weight m t n s sigma x y = INR n * exp (2 * (s * s / sigma) * (INR t - INR h)).
Proof.
  intros H. unfold weight. rewrite <- sum_const. apply sum_ext. intros j Hj. now rewrite H.
Qed.

Theorem close_sharp : exists x y s,
  s * s / 1 >= ln (3 * INR 1) / (2 * (INR 1 - INR 0)) /\
  hamming 1 x (y 0%nat) = 0%nat /\ out 1 1 0 1 s 1 x y = 1 / 2.
Proof.
  exists (fun _ => true), (fun _ _ => true), (sqrt (ln 3 / 2)).
  assert (0 <= ln 3 / 2).
  { assert (0 < ln 3); [|lra]. rewrite <- ln_1. apply ln_increasing; lra. }
  rewrite sqrt_sqrt by easy. repeat split.
  - simpl. right. replace (3 * 1) with 3 by ring. field.
  - rewrite out_weight; try lra; try (simpl; rewrite Rabs_pos_eq; lra).
    rewrite (exact_weight 1 0 1 0) by (intros; reflexivity).
    simpl. rewrite Rminus_0_r, Rmult_0_r, exp_0. field.
Qed.

Theorem far_sharp : exists x y s,
  s * s / 1 >= ln (3 * INR 1) / (2 * (INR 1 - INR 0)) /\
  hamming 1 x (y 0%nat) = 1%nat /\ out 1 1 0 1 s 1 x y = 1 / 4.
Proof.
  exists (fun _ => true), (fun _ _ => false), (sqrt (ln 3 / 2)).
  assert (0 <= ln 3 / 2).
  { assert (0 < ln 3); [|lra]. rewrite <- ln_1. apply ln_increasing; lra. }
  rewrite sqrt_sqrt by easy. repeat split.
  - simpl. right. replace (3 * 1) with 3 by ring. field.
  - rewrite out_weight; try lra; try (simpl; rewrite Rabs_pos_eq; lra).
    rewrite (exact_weight 1 0 1 1) by (intros; reflexivity).
    rewrite sqrt_sqrt by easy. simpl.
    replace (2 * (ln 3 / 2 / 1) * (0 - 1)) with (- ln 3) by field.
    rewrite exp_Ropp, exp_ln by lra. field.
Qed.

(* ov-to-hamming: a = (u, 1 - u, 0) and b = not (v, 0, 1 - v). *)
Definition word_a (m : nat) (u : nat -> bool) (i : nat) : bool :=
  if (i <? m)%nat then u i else if (i <? m + m)%nat then negb (u (i - m)%nat) else false.
Definition word_b (m : nat) (v : nat -> bool) (i : nat) : bool :=
  negb (if (i <? m)%nat then v i else if (i <? m + m)%nat then false else negb (v (i - (m + m))%nat)).

Lemma three_blocks (m : nat) (u v : nat -> bool) :
  (hamming m u (fun i => negb (v i)) + hamming m (fun i => negb (u i)) (fun _ => true)
   + hamming m (fun _ => false) v = m + 2 * common m u v)%nat.
Proof. induction m; simpl; [easy|]. destruct (u m), (v m); simpl; lia. Qed.

Theorem ov_to_hamming (m : nat) (u v : nat -> bool) :
  hamming (m + m + m) (word_a m u) (word_b m v) = (m + 2 * common m u v)%nat.
Proof.
  rewrite !hamming_split, <- three_blocks. unfold word_a, word_b.
  f_equal; [f_equal|]; apply hamming_ext; intros i Hi.
  - apply Nat.ltb_lt in Hi. now rewrite Hi.
  - replace (m + i <? m)%nat with false by (symmetry; apply Nat.ltb_ge; lia).
    replace (m + i <? m + m)%nat with true by (symmetry; apply Nat.ltb_lt; lia).
    split; [f_equal; f_equal; lia|easy].
  - replace (m + m + i <? m)%nat with false by (symmetry; apply Nat.ltb_ge; lia).
    replace (m + m + i <? m + m)%nat with false by (symmetry; apply Nat.ltb_ge; lia).
    split; [easy|]. rewrite negb_involutive. f_equal. lia.
Qed.
