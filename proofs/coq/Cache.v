(* Claim kv-capacity: whatever answers attention over N cached rows within 1/(4q) holds all their
   bits. Weight of the own key, rounding, and the pigeonhole, joined. *)

From Coq Require Import Reals List FinFun ZArith Lra Lia Psatz.
From Varnum Require Import Sums Softmax.
Import ListNotations.
Open Scope R_scope.

(* The query that asks for row i: lambda times its key; keys in R^D. *)
Definition read (N D : nat) (rate : R) (key : nat -> nat -> R) (v : nat -> R) (i : nat) : R :=
  average N (fun j => exp (rate * dot D (key i) (key j))) v.

Section Reading.
Variables (N D : nat) (mu tau rate : R) (key : nat -> nat -> R).
Hypothesis rows : (2 <= N)%nat.
Hypothesis mu_below : mu < 1.
Hypothesis tau_in : 0 < tau <= 1 / 2.
Hypothesis unit_keys : forall i, (i < N)%nat -> dot D (key i) (key i) = 1.
Hypothesis products : forall i j, (i < N)%nat -> (j < N)%nat -> i <> j -> dot D (key i) (key j) <= mu.
Hypothesis rate_high : rate >= ln ((INR N - 1) * (1 - tau) / tau) / (1 - mu).

Lemma rate_pos : 0 <= rate.
Proof.
  assert (HN : 1 <= INR N - 1) by (apply le_INR in rows; simpl in rows; lra).
  set (c := (INR N - 1) * (1 - tau) / tau) in *.
  assert (C : 1 <= c).
  { apply (Rmult_le_reg_r tau); [lra|]. unfold c, Rdiv. rewrite Rmult_assoc, Rinv_l by lra.
    assert (1 * (1 - tau) <= (INR N - 1) * (1 - tau)) by (apply Rmult_le_compat_r; lra). lra. }
  assert (0 <= ln c).
  { rewrite <- ln_1. destruct C as [C|C]; [left; apply ln_increasing; lra|rewrite C; lra]. }
  assert (0 <= ln c / (1 - mu)); [|lra].
  apply Rmult_le_pos; [easy|left; apply Rinv_0_lt_compat; lra].
Qed.

Lemma others_light : (INR N - 1) * exp (rate * mu) * (1 - tau) <= exp rate * tau.
Proof.
  assert (HN : 1 <= INR N - 1) by (apply le_INR in rows; simpl in rows; lra).
  set (c := (INR N - 1) * (1 - tau) / tau) in *.
  assert (C : 0 < c) by (unfold c; apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat|]; lra).
  assert (L : ln c <= rate * (1 - mu)).
  { apply Rge_le in rate_high. apply (Rmult_le_compat_r (1 - mu)) in rate_high; [|lra].
    replace (ln c / (1 - mu) * (1 - mu)) with (ln c) in rate_high by (field; lra). lra. }
  assert (E : c <= exp (rate * (1 - mu))).
  { rewrite <- (exp_ln c C). destruct L as [L|L]; [left; now apply exp_increasing|rewrite L; lra]. }
  replace (exp rate) with (exp (rate * mu) * exp (rate * (1 - mu))).
  2: { rewrite <- exp_plus. f_equal. ring. }
  assert (P := exp_pos (rate * mu)).
  replace ((INR N - 1) * exp (rate * mu) * (1 - tau)) with (exp (rate * mu) * (c * tau)).
  2: { unfold c. field. lra. }
  rewrite Rmult_assoc. apply Rmult_le_compat_l; [lra|]. apply Rmult_le_compat_r; lra.
Qed.

Theorem reads (v : nat -> R) (i : nat) :
  (i < N)%nat -> (forall j, (j < N)%nat -> 0 <= v j <= 1) ->
  Rabs (read N D rate key v i - v i) <= tau.
Proof.
  intros Hi Hv. unfold read, average. set (w := fun j => exp (rate * dot D (key i) (key j))).
  assert (W : forall j, 0 < w j) by (intros; apply exp_pos).
  set (o := fun j => if Nat.eqb j i then 0 else w j).
  assert (O : forall j, (j < N)%nat -> 0 <= o j).
  { intros j _. unfold o. destruct (Nat.eqb j i); [lra|]. left. apply W. }
  assert (Tot : sum N w = w i + sum N o) by now apply sum_but.
  assert (Own : w i = exp rate) by (unfold w; rewrite unit_keys by easy; f_equal; ring).
  assert (Oth : sum N o <= (INR N - 1) * exp (rate * mu)).
  { assert (B : sum N o <= sum N (fun j => if Nat.eqb j i then 0 else exp (rate * mu))).
    { apply sum_le. intros j Hj. unfold o. destruct (Nat.eqb_spec j i); [lra|].
      unfold w. assert (rate * dot D (key i) (key j) <= rate * mu).
      { apply Rmult_le_compat_l; [exact rate_pos|]. apply products; auto. }
      destruct H as [L|L]; [left; now apply exp_increasing|rewrite L; lra]. }
    assert (T := sum_but N i (fun _ => exp (rate * mu)) Hi). rewrite sum_const in T. lra. }
  assert (S0 : 0 <= sum N o) by now apply sum_nonneg.
  assert (Ex := exp_pos rate).
  change (Rabs (sum N (fun j => w j * v j) / sum N w - v i) <= tau).
  replace (sum N (fun j => w j * v j) / sum N w - v i)
    with (sum N (fun j => o j * (v j - v i)) / sum N w).
  2: { rewrite Tot. apply (Rmult_eq_reg_r (w i + sum N o)); [|lra].
       unfold Rdiv. rewrite Rmult_minus_distr_r, !Rmult_assoc, Rinv_l by lra. rewrite !Rmult_1_r.
       rewrite (sum_but N i (fun j => w j * v j)) by easy.
       rewrite (sum_ext N (fun j => o j * (v j - v i)) (fun j => o j * v j - v i * o j))
         by (intros; ring).
       rewrite sum_minus, sum_scale.
       rewrite (sum_ext N (fun j => if Nat.eqb j i then 0 else w j * v j) (fun j => o j * v j)).
       - ring.
       - intros j _. unfold o. destruct (Nat.eqb j i); ring. }
  unfold Rdiv. rewrite Rabs_mult, (Rabs_pos_eq (/ sum N w))
    by (left; apply Rinv_0_lt_compat; lra).
  apply (Rmult_le_reg_r (sum N w)); [lra|].
  rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
  apply Rle_trans with (sum N o).
  - eapply Rle_trans; [apply sum_abs|]. apply sum_le. intros j Hj. rewrite Rabs_mult.
    rewrite (Rabs_pos_eq (o j)) by auto. rewrite <- (Rmult_1_r (o j)) at 2.
    apply Rmult_le_compat_l; [auto|]. apply Rabs_le. specialize (Hv j Hj) as A.
    specialize (Hv i Hi) as B. lra.
  - rewrite Tot, Own. assert (L := others_light).
    assert ((1 - tau) * sum N o <= (1 - tau) * ((INR N - 1) * exp (rate * mu)))
      by (apply Rmult_le_compat_l; lra).
    lra.
Qed.
End Reading.

(* An error below 1/(4q) on top of a reading within 1/(4q) rounds right: below half a step. *)
Theorem rounds (q : nat) (out v answer : R) :
  (0 < q)%nat -> Rabs (out - v) <= 1 / (4 * INR q) -> Rabs (answer - out) < 1 / (4 * INR q) ->
  Rabs (answer - v) < 1 / (2 * INR q).
Proof.
  intros Hq H1 H2. assert (Q : 0 < INR q) by now apply lt_0_INR.
  replace (1 / (2 * INR q)) with (1 / (4 * INR q) + 1 / (4 * INR q)) by (field; lra).
  replace (answer - v) with ((answer - out) + (out - v)) by ring.
  eapply Rle_lt_trans; [apply Rabs_triang|]. lra.
Qed.

(* All lists of the given length with entries below k. *)
Fixpoint tables (k len : nat) : list (list nat) :=
  match len with
  | O => [[]]
  | S l => flat_map (fun t => map (fun a => a :: t) (seq 0 k)) (tables k l)
  end.

Lemma tables_count (k len : nat) : length (tables k len) = (k ^ len)%nat.
Proof.
  assert (G : forall ts : list (list nat),
    length (flat_map (fun t => map (fun a => a :: t) (seq 0 k)) ts) = (k * length ts)%nat).
  { induction ts as [|t ts IH]; simpl; [lia|]. rewrite app_length, map_length, seq_length, IH. lia. }
  induction len as [|len IH]; [easy|]. simpl tables. rewrite G, IH. reflexivity.
Qed.

Lemma tables_in (k len : nat) (t : list nat) :
  In t (tables k len) <-> length t = len /\ forall a, In a t -> (a < k)%nat.
Proof.
  revert t. induction len; intros t; simpl.
  - split; [intros [<-|[]]; simpl; tauto|]. intros [H _]. destruct t; [now left|easy].
  - rewrite in_flat_map. split.
    + intros (r & Hr & H). apply in_map_iff in H. destruct H as (a & <- & Ha).
      apply in_seq in Ha. apply IHlen in Hr. destruct Hr as [L Hr]. simpl. split; [lia|].
      intros b [<-|Hb]; [lia|auto].
    + intros [L H]. destruct t as [|a t]; [easy|]. exists t. split.
      * apply IHlen. simpl in L. split; [lia|]. intros b Hb. apply H. now right.
      * apply in_map_iff. exists a. split; [easy|]. apply in_seq. specialize (H a (or_introl eq_refl)).
        lia.
Qed.

Lemma NoDup_append {A : Type} (l r : list A) :
  NoDup l -> NoDup r -> (forall x, In x l -> ~ In x r) -> NoDup (l ++ r).
Proof.
  induction 1 as [|x l Hx Hl IH]; intros Hr Hd; simpl; [easy|].
  constructor.
  - intros H. apply in_app_or in H. destruct H as [H|H]; [easy|]. apply (Hd x); [now left|easy].
  - apply IH; [easy|]. intros y Hy. apply Hd. now right.
Qed.

Lemma tables_distinct (k len : nat) : NoDup (tables k len).
Proof.
  induction len; simpl; [repeat constructor; easy|].
  induction IHlen as [|t ts Hn Hd IH]; simpl; [constructor|].
  apply NoDup_append; [|easy|].
  - apply Injective_map_NoDup; [|apply seq_NoDup]. intros a b [= ->]. easy.
  - intros l H1 H2. apply in_map_iff in H1. destruct H1 as (a & <- & _).
    apply in_flat_map in H2. destruct H2 as (r & Hr & H2). apply in_map_iff in H2.
    destruct H2 as (b & E & _). injection E as _ E. subst r. easy.
Qed.

(* Different tables, different states: at least as many states as tables. *)
Theorem pigeonhole (k len bits : nat) (state : list nat -> list bool) :
  (forall t, length (state t) = bits) ->
  (forall t t', In t (tables k len) -> In t' (tables k len) -> state t = state t' -> t = t') ->
  (k ^ len <= 2 ^ bits)%nat.
Proof.
  intros Hl Hi.
  set (code := fun t => map (fun b : bool => if b then 1%nat else 0%nat) (state t)).
  rewrite <- tables_count, <- (tables_count 2 bits), <- (map_length code).
  apply NoDup_incl_length.
  - assert (G : forall ts, (forall t, In t ts -> In t (tables k len)) -> NoDup ts -> NoDup (map code ts)).
    { intros ts Hs Hd. induction Hd as [|t ts Hn Hd IH]; simpl; constructor.
      - intros H. apply in_map_iff in H. destruct H as (r & E & Hr). apply Hn.
        replace t with r; [easy|]. apply Hi; [apply Hs; now right|apply Hs; now left|].
        unfold code in E. revert E. generalize (state r), (state t).
        intros l1. induction l1 as [|b1 l1 IH1]; intros [|b2 l2]; simpl; try easy.
        intros [= E1 E2]. f_equal; [destruct b1, b2; easy|auto].
      - apply IH. intros u Hu. apply Hs. now right. }
    apply G; [easy|apply tables_distinct].
  - intros c H. apply in_map_iff in H. destruct H as (t & <- & _). apply tables_in.
    unfold code. rewrite map_length. split; [apply Hl|].
    intros a Ha. apply in_map_iff in Ha. destruct Ha as ([|] & <- & _); lia.
Qed.

(* Entry (i, c) of a table of N rows of d_v values in {0, 1/q, .., 1}. *)
Definition entry (q dv : nat) (t : list nat) (c j : nat) : R := INR (nth (j * dv + c) t 0%nat) / INR q.

(* What is kept of a table: `bits` bits; and what answers the queries from them. *)
Theorem kv_capacity (N D dv b bits : nat) (mu rate : R) (key : nat -> nat -> R)
  (state : list nat -> list bool) (answer : list bool -> nat -> nat -> R) :
  let q := (2 ^ b - 1)%nat in let tau := 1 / (4 * INR q) in
  (2 <= N)%nat -> (1 <= b)%nat -> mu < 1 ->
  rate >= ln ((INR N - 1) * (1 - tau) / tau) / (1 - mu) ->
  (forall i, (i < N)%nat -> dot D (key i) (key i) = 1) ->
  (forall i j, (i < N)%nat -> (j < N)%nat -> i <> j -> dot D (key i) (key j) <= mu) ->
  (forall t, length (state t) = bits) ->
  (forall t i c, In t (tables (q + 1) (N * dv)) -> (i < N)%nat -> (c < dv)%nat ->
     Rabs (answer (state t) i c - read N D rate key (entry q dv t c) i) < 1 / (4 * INR q)) ->
  (N * dv * b <= bits)%nat.
Proof.
  intros q tau HN Hb Hmu Hrate Hunit Hprod Hlen Hans.
  assert (Q : (q + 1 = 2 ^ b)%nat).
  { unfold q. assert (2 ^ b <> 0)%nat by (apply Nat.pow_nonzero; lia). lia. }
  assert (Q2 : (2 <= 2 ^ b)%nat).
  { replace 2%nat with (2 ^ 1)%nat at 1 by easy. apply Nat.pow_le_mono_r; lia. }
  assert (Qr : 1 <= INR q) by (apply (le_INR 1); lia).
  assert (T : 0 < tau <= 1 / 2).
  { unfold tau. split; [apply Rdiv_lt_0_compat; lra|].
    apply (Rmult_le_reg_r (4 * INR q)); [lra|].
    replace (1 / (4 * INR q) * (4 * INR q)) with 1 by (field; lra). lra. }
  assert (P : ((q + 1) ^ (N * dv) <= 2 ^ bits)%nat).
  { apply (pigeonhole (q + 1) (N * dv) bits state Hlen).
    intros t t' It It' E.
    assert (Same : forall i c, (i < N)%nat -> (c < dv)%nat ->
      nth (i * dv + c) t 0%nat = nth (i * dv + c) t' 0%nat).
    { intros i c Hi Hc.
      assert (Val : forall s, In s (tables (q + 1) (N * dv)) ->
        forall j, (j < N)%nat -> 0 <= entry q dv s c j <= 1).
      { intros s Is j Hj. apply tables_in in Is. destruct Is as [Ls Bs]. unfold entry.
        assert (B : (nth (j * dv + c) s 0 <= q)%nat).
        { assert (In (nth (j * dv + c) s 0%nat) s) by (apply nth_In; nia). apply Bs in H. lia. }
        apply le_INR in B. assert (0 <= INR (nth (j * dv + c) s 0%nat)) by apply pos_INR.
        split; [apply Rmult_le_pos; [easy|left; apply Rinv_0_lt_compat; lra]|].
        apply (Rmult_le_reg_r (INR q)); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra. }
      assert (A := Hans t i c It Hi Hc). assert (A' := Hans t' i c It' Hi Hc). rewrite <- E in A'.
      assert (R1 := reads N D mu tau rate key HN Hmu T Hunit Hprod Hrate
        (entry q dv t c) i Hi (Val t It)).
      assert (R2 := reads N D mu tau rate key HN Hmu T Hunit Hprod Hrate
        (entry q dv t' c) i Hi (Val t' It')).
      unfold tau in R1, R2.
      apply Rabs_def2 in A. apply Rabs_def2 in A'. apply abs_between in R1. apply abs_between in R2.
      assert (G : Rabs (entry q dv t c i - entry q dv t' c i) < 4 * (1 / (4 * INR q)))
        by (apply Rabs_def1; lra).
      replace (4 * (1 / (4 * INR q))) with (1 / INR q) in G by (field; lra).
      unfold entry in G. set (k1 := nth (i * dv + c) t 0%nat) in *.
      set (k2 := nth (i * dv + c) t' 0%nat) in *.
      replace (INR k1 / INR q - INR k2 / INR q) with ((INR k1 - INR k2) / INR q) in G by (field; lra).
      unfold Rdiv in G. rewrite Rabs_mult, (Rabs_pos_eq (/ INR q)) in G
        by (left; apply Rinv_0_lt_compat; lra).
      apply (Rmult_lt_compat_r (INR q)) in G; [|lra].
      rewrite !Rmult_assoc, Rinv_l, !Rmult_1_r in G by lra. apply Rabs_def2 in G.
      rewrite !INR_IZR_INZ in G. rewrite <- minus_IZR in G.
      destruct G as [G1 G2]. apply lt_IZR in G1.
      assert (IZR (-1) < IZR (Z.of_nat k1 - Z.of_nat k2)) as G3 by lra. apply lt_IZR in G3. lia. }
    apply tables_in in It. apply tables_in in It'. destruct It as [L1 _], It' as [L2 _].
    apply (nth_ext _ _ 0%nat 0%nat); [lia|]. intros k Hk.
    assert (dv <> 0)%nat by nia.
    rewrite (Nat.div_mod k dv) by easy. rewrite Nat.mul_comm.
    apply Same; [|now apply Nat.mod_upper_bound].
    apply Nat.div_lt_upper_bound; [easy|]. nia. }
  rewrite Q, <- Nat.pow_mul_r in P. apply (Nat.pow_le_mono_r_iff 2) in P; [nia|lia].
Qed.

(* Cached before the last scale of the pyramid 1, alpha, alpha^2, .., n = alpha^k. *)
Theorem cached (alpha : R) (k : nat) :
  alpha ^ 2 <> 1 -> sum k (fun i => (alpha ^ i) ^ 2) = ((alpha ^ k) ^ 2 - 1) / (alpha ^ 2 - 1).
Proof.
  intros H. induction k; cbn [sum].
  - simpl. field. simpl in H. lra.
  - rewrite IHk. simpl. field. simpl in H. lra.
Qed.
