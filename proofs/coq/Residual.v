(* Claim kernel-residual: what pivot features leave of the Gaussian kernel is positive semidefinite,
   so its diagonal bounds it. *)

From Coq Require Import Reals Lra Lia.
From Varnum Require Import Sums.
Open Scope R_scope.

Definition double (n : nat) (f : nat -> nat -> R) : R := sum n (fun i => sum n (fun j => f i j)).

Definition psd {X : Type} (k : X -> X -> R) : Prop :=
  forall (n : nat) (p : nat -> X) (c : nat -> R), 0 <= double n (fun i j => c i * c j * k (p i) (p j)).

Lemma double_ext (n : nat) (f g : nat -> nat -> R) :
  (forall i j, f i j = g i j) -> double n f = double n g.
Proof. intros H. apply sum_ext. intros i _. apply sum_ext. intros j _. apply H. Qed.

Lemma double_plus (n : nat) (f g : nat -> nat -> R) :
  double n (fun i j => f i j + g i j) = double n f + double n g.
Proof. unfold double. rewrite <- sum_plus. apply sum_ext. intros i _. apply sum_plus. Qed.

Lemma double_sum (n d : nat) (f : nat -> nat -> nat -> R) :
  double n (fun i j => sum d (fun l => f l i j)) = sum d (fun l => double n (f l)).
Proof.
  induction d; simpl; [unfold double; apply sum_zero; intros; now apply sum_zero|].
  rewrite double_plus, IHd. reflexivity.
Qed.

(* The kernel exp(x . y), and the Gaussian one. *)
Definition point := nat -> R.

Lemma psd_scaled {X : Type} (s : X -> R) (k : X -> X -> R) :
  psd k -> psd (fun x y => s x * s y * k x y).
Proof.
  intros H n p c. specialize (H n p (fun i => c i * s (p i))).
  rewrite (double_ext n _ (fun i j => c i * s (p i) * (c j * s (p j)) * k (p i) (p j)))
    by (intros; ring). exact H.
Qed.

Lemma psd_times_dot (d : nat) (k : point -> point -> R) :
  psd k -> psd (fun x y => dot d x y * k x y).
Proof.
  intros H n p c. unfold dot.
  rewrite (double_ext n _ (fun i j => sum d (fun l => c i * c j * (p i l * p j l * k (p i) (p j))))).
  - rewrite double_sum. apply sum_nonneg. intros l _.
    apply (psd_scaled (fun x : point => x l) k H n p c).
  - intros i j. rewrite sum_scale. rewrite (sum_scale_r d (k (p i) (p j))). ring.
Qed.

Lemma psd_power (d m : nat) : psd (fun x y : point => dot d x y ^ m).
Proof.
  induction m; [|simpl; now apply (psd_times_dot d (fun x y => dot d x y ^ m))].
  intros n p c. simpl.
  replace (double n (fun i j => c i * c j * 1)) with (sum n c * sum n c).
  - apply Rle_0_sqr.
  - unfold double. rewrite <- sum_scale_r. apply sum_ext. intros i _.
    rewrite (sum_ext n (fun j => c i * c j * 1) (fun j => c i * c j)) by (intros; ring).
    now rewrite sum_scale.
Qed.

Lemma double_limit (n : nat) (f : nat -> nat -> nat -> R) (l : nat -> nat -> R) :
  (forall i j, Un_cv (fun m => f m i j) (l i j)) -> Un_cv (fun m => double n (f m)) (double n l).
Proof.
  intros H.
  assert (S : forall k (g : nat -> nat -> R) (a : nat -> R),
    (forall i, Un_cv (fun m => g m i) (a i)) -> Un_cv (fun m => sum k (g m)) (sum k a)).
  { intros k g a Hg. induction k; simpl.
    - intros e He. exists 0%nat. intros. unfold R_dist. now rewrite Rminus_0_r, Rabs_R0.
    - now apply (CV_plus (fun m => sum k (g m)) (fun m => g m k)). }
  unfold double. apply S. intros i. apply S. intros j. apply H.
Qed.

Theorem psd_exp (d : nat) : psd (fun x y : point => exp (dot d x y)).
Proof.
  intros n p c.
  set (part := fun (m : nat) (x : R) => sum_f_R0 (fun i => / INR (fact i) * x ^ i) m).
  apply (@Rle_cv_lim (fun _ => 0)
    (fun m => double n (fun i j => c i * c j * part m (dot d (p i) (p j))))).
  - intros m. induction m as [|m IH].
    + apply (fun H => Rle_trans _ _ _ (psd_power d 0 n p c) (Req_le _ _ H)).
      apply double_ext. intros i j. unfold part. simpl. field.
    + rewrite (double_ext n _ (fun i j => c i * c j * part m (dot d (p i) (p j))
        + / INR (fact (S m)) * (c i * c j * dot d (p i) (p j) ^ S m))).
      2: { intros i j. unfold part. rewrite tech5. ring. }
      rewrite double_plus.
      assert (0 <= double n (fun i j => / INR (fact (S m)) * (c i * c j * dot d (p i) (p j) ^ S m))).
      { unfold double. rewrite (sum_ext n _ (fun i => / INR (fact (S m)) * sum n (fun j => c i * c j * dot d (p i) (p j) ^ S m)))
          by (intros; now rewrite sum_scale).
        rewrite sum_scale. apply Rmult_le_pos.
        - left. apply Rinv_0_lt_compat. apply (lt_INR 0), lt_O_fact.
        - apply (psd_power d (S m) n p c). }
      lra.
  - intros e He. exists 0%nat. intros. unfold R_dist. now rewrite Rminus_0_r, Rabs_R0.
  - apply double_limit. intros i j. apply (CV_mult (fun _ => c i * c j)).
    + intros e He. exists 0%nat. intros. unfold R_dist. now rewrite Rminus_diag_eq, Rabs_R0.
    + unfold part. unfold exp. destruct (exist_exp (dot d (p i) (p j))) as [l Hl]. exact Hl.
Qed.

Definition gauss (d : nat) (x y : point) : R :=
  exp (- dot d (fun i => x i - y i) (fun i => x i - y i) / 2).

Lemma gauss_split (d : nat) (x y : point) :
  gauss d x y = exp (- dot d x x / 2) * exp (- dot d y y / 2) * exp (dot d x y).
Proof.
  unfold gauss. rewrite <- !exp_plus. f_equal. unfold dot.
  rewrite (sum_ext d (fun i => (x i - y i) * (x i - y i))
    (fun i => x i * x i + (y i * y i + -2 * (x i * y i)))) by (intros; ring).
  rewrite !sum_plus, sum_scale. field.
Qed.

Lemma psd_gauss (d : nat) : psd (gauss d).
Proof.
  intros n p c. assert (H := psd_scaled (fun x => exp (- dot d x x / 2)) _ (psd_exp d) n p c).
  rewrite (double_ext n _ (fun i j => c i * c j *
    (exp (- dot d (p i) (p i) / 2) * exp (- dot d (p j) (p j) / 2) * exp (dot d (p i) (p j))))).
  - exact H.
  - intros i j. now rewrite gauss_split.
Qed.

(* Any kernel, pivots P_0 .. P_(r-1), and an r x m matrix G with G' K G <= 1. *)
Section Features.
Variable X : Type.
Variables (k : X -> X -> R) (r m : nat) (P : nat -> X) (G : nat -> nat -> R).
Hypothesis k_psd : psd k.
Hypothesis k_symmetric : forall x y, k x y = k y x.
Hypothesis contraction : forall v : nat -> R,
  double r (fun i j => dot m (G i) v * dot m (G j) v * k (P i) (P j)) <= dot m v v.

Definition feature (x : X) (l : nat) : R := sum r (fun i => G i l * k (P i) x).
Definition residual (x y : X) : R := k x y - dot m (feature x) (feature y).

Lemma residual_psd : psd residual.
Proof.
  intros n p c.
  set (w := fun l => sum n (fun a => c a * feature (p a) l)).
  set (g := fun i => dot m (G i) w).
  (* the points p and P together, with weights c and -g *)
  set (q := fun a => if (a <? n)%nat then p a else P (a - n)%nat).
  set (e := fun a => if (a <? n)%nat then c a else - g (a - n)%nat).
  assert (Q := k_psd (n + r)%nat q e). unfold double in Q.
  assert (Qa : forall a, (a < n)%nat -> q a = p a /\ e a = c a).
  { intros a Ha. unfold q, e. apply Nat.ltb_lt in Ha. now rewrite Ha. }
  assert (Qb : forall i, q (n + i)%nat = P i /\ e (n + i)%nat = - g i).
  { intros i. unfold q, e. replace (n + i <? n)%nat with false by (symmetry; apply Nat.ltb_ge; lia).
    replace (n + i - n)%nat with i by lia. easy. }
  set (cross := sum n (fun a => sum r (fun i => c a * g i * k (p a) (P i)))).
  assert (Split : sum (n + r) (fun a => sum (n + r) (fun b => e a * e b * k (q a) (q b)))
    = double n (fun a b => c a * c b * k (p a) (p b)) - 2 * cross
      + double r (fun i j => g i * g j * k (P i) (P j))).
  { rewrite sum_split.
    rewrite (sum_ext n _ (fun a => sum n (fun b => c a * c b * k (p a) (p b))
      + -1 * sum r (fun i => c a * g i * k (p a) (P i)))).
    2: { intros a Ha. rewrite sum_split. destruct (Qa a Ha) as [-> ->]. f_equal.
         - apply sum_ext. intros b Hb. now destruct (Qa b Hb) as [-> ->].
         - rewrite <- sum_scale. apply sum_ext. intros i _. destruct (Qb i) as [-> ->]. ring. }
    rewrite (sum_ext r _ (fun i => -1 * sum n (fun a => c a * g i * k (p a) (P i))
      + sum r (fun j => g i * g j * k (P i) (P j)))).
    2: { intros i _. rewrite sum_split. destruct (Qb i) as [-> ->]. f_equal.
         - rewrite <- sum_scale. apply sum_ext. intros a Ha. destruct (Qa a Ha) as [-> ->].
           rewrite (k_symmetric (P i)). ring.
         - apply sum_ext. intros j _. destruct (Qb j) as [-> ->]. ring. }
    rewrite !sum_plus, !sum_scale. unfold cross, double.
    rewrite (sum_swap r n (fun i a => c a * g i * k (p a) (P i))). ring. }
  rewrite Split in Q. clear Split.
  assert (Cross : cross = dot m w w).
  { unfold cross, dot.
    rewrite (sum_ext m (fun l => w l * w l)
      (fun l => sum n (fun a => sum r (fun i => c a * (G i l * w l) * k (p a) (P i))))).
    2: { intros l _. unfold w at 1. rewrite <- sum_scale_r. apply sum_ext. intros a _.
         unfold feature. rewrite <- sum_scale, <- sum_scale_r. apply sum_ext. intros i _.
         rewrite (k_symmetric (P i)). ring. }
    rewrite (sum_swap m n). apply sum_ext. intros a _. rewrite (sum_swap m r).
    apply sum_ext. intros i _. unfold g, dot. rewrite sum_scale_r, sum_scale. reflexivity. }
  assert (Last := contraction w). fold g in Last.
  change (double r (fun i j => g i * g j * k (P i) (P j)) <= dot m w w) in Last.
  assert (Res : double n (fun a b => c a * c b * residual (p a) (p b))
    = double n (fun a b => c a * c b * k (p a) (p b)) - dot m w w).
  { unfold residual. rewrite (double_ext n _ (fun a b => c a * c b * k (p a) (p b)
      + -1 * sum m (fun l => c a * feature (p a) l * (c b * feature (p b) l)))).
    2: { intros a b. rewrite (sum_ext m (fun l => c a * feature (p a) l * (c b * feature (p b) l))
           (fun l => c a * c b * (feature (p a) l * feature (p b) l))) by (intros; ring).
         rewrite sum_scale. unfold dot. ring. }
    rewrite double_plus. unfold double at 2.
    rewrite (sum_ext n (fun a => sum n (fun b => -1 * sum m (fun l => c a * feature (p a) l * (c b * feature (p b) l))))
      (fun a => -1 * sum n (fun b => sum m (fun l => c a * feature (p a) l * (c b * feature (p b) l)))))
      by (intros; now rewrite sum_scale).
    rewrite sum_scale. fold (double n (fun a b => sum m (fun l => c a * feature (p a) l * (c b * feature (p b) l)))).
    rewrite (double_sum n m (fun l a b => c a * feature (p a) l * (c b * feature (p b) l))).
    unfold dot, w. rewrite (sum_ext m (fun l => double n (fun a b => c a * feature (p a) l * (c b * feature (p b) l)))
      (fun l => sum n (fun a => c a * feature (p a) l) * sum n (fun a => c a * feature (p a) l))); [ring|].
    intros l _. unfold double. rewrite <- sum_scale_r. apply sum_ext. intros a _. now rewrite sum_scale. }
  rewrite Res, <- Cross. lra.
Qed.

Theorem residual_bound (x y : X) :
  0 <= residual x x /\ Rabs (residual x y) <= sqrt (residual x x * residual y y).
Proof.
  assert (S : residual y x = residual x y).
  { unfold residual, dot. rewrite k_symmetric. f_equal. apply sum_ext. intros; ring. }
  assert (Q : forall s t, 0 <= s * s * residual x x + 2 * (s * t) * residual x y + t * t * residual y y).
  { intros s t.
    assert (H := residual_psd 2%nat (fun i => match i with O => x | _ => y end)
      (fun i => match i with O => s | _ => t end)).
    unfold double in H. simpl in H. rewrite S in H. lra. }
  split; [specialize (Q 1 0); lra|].
  rewrite <- sqrt_Rsqr_abs. apply sqrt_le_1_alt. unfold Rsqr. now apply form_discriminant.
Qed.
End Features.

Theorem kernel_residual (d r m : nat) (P : nat -> point) (G : nat -> nat -> R) :
  (forall v : nat -> R,
     double r (fun i j => dot m (G i) v * dot m (G j) v * gauss d (P i) (P j)) <= dot m v v) ->
  forall x y : point, let R := residual point (gauss d) r m P G in
  0 <= R x x /\ Rabs (R x y) <= sqrt (R x x * R y y).
Proof.
  intros H x y R. apply residual_bound; [apply psd_gauss| |easy].
  intros a b. unfold gauss. f_equal. f_equal. f_equal. apply sum_ext. intros; ring.
Qed.
