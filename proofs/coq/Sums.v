(* Finite sums f(0) + .. + f(n - 1), and the inequality of Cauchy and Schwarz. *)

From Coq Require Import Reals Lra Lia Psatz.
Open Scope R_scope.

Fixpoint sum (n : nat) (f : nat -> R) : R :=
  match n with
  | O => 0
  | S k => sum k f + f k
  end.

Definition dot (n : nat) (x y : nat -> R) : R := sum n (fun i => x i * y i).

Lemma abs_between (x c : R) : Rabs x <= c -> - c <= x <= c.
Proof.
  intros H. assert (P := Rle_abs x). assert (Q := Rle_abs (- x)). rewrite Rabs_Ropp in Q. lra.
Qed.

Lemma sum_ext (n : nat) (f g : nat -> R) :
  (forall i, (i < n)%nat -> f i = g i) -> sum n f = sum n g.
Proof. induction n; intros H; simpl; [easy|]. rewrite IHn, H; auto. Qed.

Lemma sum_plus (n : nat) (f g : nat -> R) : sum n (fun i => f i + g i) = sum n f + sum n g.
Proof. induction n; simpl; [ring|]. rewrite IHn. ring. Qed.

Lemma sum_scale (n : nat) (c : R) (f : nat -> R) : sum n (fun i => c * f i) = c * sum n f.
Proof. induction n; simpl; [ring|]. rewrite IHn. ring. Qed.

Lemma sum_scale_r (n : nat) (c : R) (f : nat -> R) : sum n (fun i => f i * c) = sum n f * c.
Proof. induction n; simpl; [ring|]. rewrite IHn. ring. Qed.

Lemma sum_minus (n : nat) (f g : nat -> R) : sum n (fun i => f i - g i) = sum n f - sum n g.
Proof. induction n; simpl; [ring|]. rewrite IHn. ring. Qed.

Lemma sum_zero (n : nat) (f : nat -> R) : (forall i, (i < n)%nat -> f i = 0) -> sum n f = 0.
Proof. induction n; intros H; simpl; [easy|]. rewrite IHn, H; auto. ring. Qed.

Lemma sum_const (n : nat) (c : R) : sum n (fun _ => c) = INR n * c.
Proof. induction n; [simpl; ring|]. simpl sum. rewrite IHn, S_INR. ring. Qed.

Lemma sum_le (n : nat) (f g : nat -> R) :
  (forall i, (i < n)%nat -> f i <= g i) -> sum n f <= sum n g.
Proof.
  induction n; intros H; simpl; [lra|].
  apply Rplus_le_compat; [apply IHn; auto|apply H; lia].
Qed.

Lemma sum_nonneg (n : nat) (f : nat -> R) : (forall i, (i < n)%nat -> 0 <= f i) -> 0 <= sum n f.
Proof.
  intros H. replace 0 with (sum n (fun _ => 0)) by (apply sum_zero; easy). now apply sum_le.
Qed.

Lemma sum_term (n i : nat) (f : nat -> R) :
  (forall j, (j < n)%nat -> 0 <= f j) -> (i < n)%nat -> f i <= sum n f.
Proof.
  induction n; intros H Hi; [lia|]. simpl.
  assert (0 <= sum n f) by (apply sum_nonneg; auto). assert (0 <= f n) by auto.
  destruct (Nat.eq_dec i n) as [->|]; [lra|].
  assert (f i <= sum n f) by (apply IHn; auto; lia). lra.
Qed.

Lemma sum_pos (n : nat) (f : nat -> R) :
  (0 < n)%nat -> (forall i, (i < n)%nat -> 0 < f i) -> 0 < sum n f.
Proof.
  intros Hn H. apply Rlt_le_trans with (f 0%nat); [now apply H|].
  apply sum_term; [|easy]. intros j Hj. left. auto.
Qed.

Lemma sum_abs (n : nat) (f : nat -> R) : Rabs (sum n f) <= sum n (fun i => Rabs (f i)).
Proof.
  induction n; simpl; [rewrite Rabs_R0; lra|].
  eapply Rle_trans; [apply Rabs_triang|]. lra.
Qed.

Lemma sum_split (m n : nat) (f : nat -> R) : sum (m + n) f = sum m f + sum n (fun i => f (m + i)%nat).
Proof.
  induction n; [rewrite Nat.add_0_r; simpl; ring|].
  rewrite Nat.add_succ_r. simpl. rewrite IHn. ring.
Qed.

Lemma sum_swap (m n : nat) (f : nat -> nat -> R) :
  sum m (fun i => sum n (fun j => f i j)) = sum n (fun j => sum m (fun i => f i j)).
Proof.
  induction m; simpl; [symmetry; now apply sum_zero|]. rewrite IHm, <- sum_plus. reflexivity.
Qed.

(* One term apart. *)
Lemma sum_but (n i : nat) (f : nat -> R) :
  (i < n)%nat -> sum n f = f i + sum n (fun j => if Nat.eqb j i then 0 else f j).
Proof.
  induction n; intros H; [lia|]. simpl. destruct (Nat.eq_dec i n) as [->|Hne].
  - rewrite Nat.eqb_refl.
    rewrite (sum_ext n (fun j => if Nat.eqb j n then 0 else f j) f); [ring|].
    intros j Hj. destruct (Nat.eqb_spec j n); [lia|easy].
  - rewrite IHn by lia. destruct (Nat.eqb_spec n i); [lia|]. ring.
Qed.

(* A quadratic form that is nowhere negative. *)
Lemma form_discriminant (a b c : R) :
  (forall s t, 0 <= s * s * a + 2 * (s * t) * b + t * t * c) -> b * b <= a * c.
Proof.
  intros Q.
  assert (A : 0 <= a) by (specialize (Q 1 0); lra).
  assert (C : 0 <= c) by (specialize (Q 0 1); lra).
  destruct (Rle_lt_or_eq_dec 0 c C) as [P|E].
  - specialize (Q c (- b)). apply (Rmult_le_reg_l c); [easy|]. nra.
  - rewrite <- E in *. assert (b = 0); [|nra].
    destruct (Req_dec b 0) as [|N]; [easy|].
    specialize (Q 1 (- (a + 1) / (2 * b))).
    replace (1 * 1 * a + 2 * (1 * (- (a + 1) / (2 * b))) * b
      + - (a + 1) / (2 * b) * (- (a + 1) / (2 * b)) * 0) with (-1) in Q by (field; lra).
    lra.
Qed.

(* Cauchy-Schwarz with weights. *)
Lemma cauchy_schwarz (n : nat) (w f g : nat -> R) :
  (forall i, (i < n)%nat -> 0 <= w i) ->
  sum n (fun i => w i * (f i * g i)) * sum n (fun i => w i * (f i * g i))
  <= sum n (fun i => w i * (f i * f i)) * sum n (fun i => w i * (g i * g i)).
Proof.
  intros Hw. apply form_discriminant. intros s t.
  rewrite <- !sum_scale, <- !sum_plus. apply sum_nonneg. intros i Hi.
  replace (s * s * (w i * (f i * f i)) + 2 * (s * t) * (w i * (f i * g i))
    + t * t * (w i * (g i * g i))) with (w i * Rsqr (s * f i + t * g i)) by (unfold Rsqr; ring).
  apply Rmult_le_pos; [auto|apply Rle_0_sqr].
Qed.
