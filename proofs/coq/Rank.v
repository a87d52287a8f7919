(* Claim monomial-rank: a polynomial kernel of degree g in dimension d has one feature per monomial. *)

From Coq Require Import Reals List Lra Lia.
From Varnum Require Import Polynomial Sums.
Import ListNotations.
Open Scope R_scope.

Fixpoint binomial (n k : nat) : nat :=
  match n, k with
  | _, O => 1
  | O, S _ => 0
  | S n', S k' => binomial n' k' + binomial n' (S k')
  end.

(* The monomials of degree at most g in z_0 .. z_(d-1):
   those without z_(d-1), and z_(d-1) times those of degree at most g - 1. *)
Fixpoint monomials (d : nat) : nat -> list ((nat -> R) -> R) :=
  match d with
  | O => fun _ => [fun _ => 1]
  | S e => fix in_degree g :=
      match g with
      | O => [fun _ => 1]
      | S k => monomials e (S k) ++ map (fun m z => z e * m z) (in_degree k)
      end
  end.

Lemma binomial_0 (n : nat) : binomial n 0 = 1%nat.
Proof. now destruct n. Qed.

Lemma binomial_diagonal (n : nat) : forall k, (n < k)%nat -> binomial n k = 0%nat.
Proof.
  induction n; intros [|k] H; simpl; try lia. rewrite !IHn by lia. lia.
Qed.

(* Against the published bound C(2(d + g), 2g). *)
Lemma binomial_more (n k : nat) : (binomial n k <= binomial (S n) k)%nat.
Proof. destruct k; [rewrite !binomial_0; lia|simpl; lia]. Qed.

Lemma binomial_published (d g : nat) : (binomial (d + g) g <= binomial (2 * (g + d)) (2 * g))%nat.
Proof.
  assert (A : forall j n k, (binomial n k <= binomial (j + n) (j + k))%nat).
  { induction j; intros n k; simpl; [lia|]. specialize (IHj n k). lia. }
  assert (B : forall j n k, (binomial n k <= binomial (j + n) k)%nat).
  { induction j; intros n k; [simpl; lia|].
    eapply Nat.le_trans; [apply IHj|]. apply binomial_more. }
  eapply Nat.le_trans; [apply (A g)|]. eapply Nat.le_trans; [apply (B d)|].
  replace (d + (g + (d + g)))%nat with (2 * (g + d))%nat by lia.
  replace (2 * g)%nat with (g + g)%nat by lia. lia.
Qed.

Lemma monomials_count (d : nat) : forall g, length (monomials d g) = binomial (d + g) g.
Proof.
  induction d as [|d IH]; intros g.
  - simpl. induction g; simpl; [easy|]. rewrite (binomial_diagonal g (S g)) by lia. lia.
  - induction g as [|g IHg]; [simpl; easy|].
    change (monomials (S d) (S g))
      with (monomials d (S g) ++ map (fun m z => z d * m z) (monomials (S d) g)).
    rewrite app_length, map_length, IH, IHg.
    replace (S d + S g)%nat with (S (d + S g)) by lia.
    change (binomial (S (d + S g)) (S g))
      with (binomial (d + S g) g + binomial (d + S g) (S g))%nat.
    replace (S d + g)%nat with (d + S g)%nat by lia. lia.
Qed.

Lemma monomials_split (d : nat) : forall g m q k,
  In m (monomials d g) -> m (fun i => q i * k i) = m q * m k.
Proof.
  induction d as [|d IH]; intros g.
  - intros m q k [<-|[]]. ring.
  - induction g as [|g IHg]; intros m q k H; [destruct H as [<-|[]]; ring|].
    apply in_app_or in H. destruct H as [H|H]; [now apply (IH (S g))|].
    apply in_map_iff in H. destruct H as (w & <- & H). rewrite IHg by easy. ring.
Qed.

(* sum c_i m_i(z) *)
Fixpoint combine_at (cs : list R) (ms : list ((nat -> R) -> R)) (z : nat -> R) : R :=
  match cs, ms with
  | c :: cs', m :: ms' => c * m z + combine_at cs' ms' z
  | _, _ => 0
  end.

Definition spanned (ms : list ((nat -> R) -> R)) (f : (nat -> R) -> R) : Prop :=
  exists cs, length cs = length ms /\ forall z, f z = combine_at cs ms z.

Lemma combine_zero (ms : list ((nat -> R) -> R)) (z : nat -> R) :
  combine_at (map (fun _ => 0) ms) ms z = 0.
Proof. induction ms; simpl; [easy|]. rewrite IHms. ring. Qed.

Lemma combine_app (cs1 cs2 : list R) (ms1 ms2 : list ((nat -> R) -> R)) (z : nat -> R) :
  length cs1 = length ms1 ->
  combine_at (cs1 ++ cs2) (ms1 ++ ms2) z = combine_at cs1 ms1 z + combine_at cs2 ms2 z.
Proof.
  revert ms1. induction cs1 as [|c cs1 IH]; intros [|m ms1] H; simpl in *; try easy; [ring|].
  rewrite IH by lia. ring.
Qed.

Lemma combine_mult (cs : list R) (ms : list ((nat -> R) -> R)) (e : nat) (z : nat -> R) :
  combine_at cs (map (fun m z => z e * m z) ms) z = z e * combine_at cs ms z.
Proof.
  revert ms. induction cs as [|c cs IH]; intros [|m ms]; simpl; try ring. rewrite IH. ring.
Qed.

Lemma spanned_ext (ms : list ((nat -> R) -> R)) (f h : (nat -> R) -> R) :
  (forall z, f z = h z) -> spanned ms h -> spanned ms f.
Proof. intros E (cs & L & H). exists cs. split; [easy|]. intros z. now rewrite E. Qed.

Lemma spanned_linear (ms : list ((nat -> R) -> R)) (f h : (nat -> R) -> R) (a b : R) :
  spanned ms f -> spanned ms h -> spanned ms (fun z => a * f z + b * h z).
Proof.
  intros (cs & L & F) (es & M & H).
  exists (map (fun ce => a * fst ce + b * snd ce) (combine cs es)).
  split; [rewrite map_length, combine_length; lia|].
  intros z. rewrite F, H. clear F H f h. revert es ms L M.
  induction cs as [|c cs IH]; intros [|e es] [|m ms] L M; simpl in *; try lia; [ring|].
  rewrite <- IH by lia. ring.
Qed.

Lemma spanned_zero (ms : list ((nat -> R) -> R)) : spanned ms (fun _ => 0).
Proof. exists (map (fun _ => 0) ms). split; [apply map_length|]. intros z. now rewrite combine_zero. Qed.

Lemma spanned_left (ms ns : list ((nat -> R) -> R)) (f : (nat -> R) -> R) :
  spanned ms f -> spanned (ms ++ ns) f.
Proof.
  intros (cs & L & F). exists (cs ++ map (fun _ => 0) ns). split.
  - rewrite !app_length, map_length. lia.
  - intros z. rewrite combine_app, combine_zero, F by easy. ring.
Qed.

Lemma spanned_right (ms ns : list ((nat -> R) -> R)) (f : (nat -> R) -> R) :
  spanned ns f -> spanned (ms ++ ns) f.
Proof.
  intros (cs & L & F). exists (map (fun _ => 0) ms ++ cs). split.
  - rewrite !app_length, map_length. lia.
  - intros z. rewrite combine_app, combine_zero, F by apply map_length. ring.
Qed.

(* f in the span for (S d, S g) is one for (d, S g) plus z_d times one for (S d, g). *)
Lemma spanned_parts (d g : nat) (f : (nat -> R) -> R) :
  spanned (monomials (S d) (S g)) f <->
  exists f1 f2, spanned (monomials d (S g)) f1 /\ spanned (monomials (S d) g) f2
    /\ forall z, f z = f1 z + z d * f2 z.
Proof.
  change (monomials (S d) (S g))
    with (monomials d (S g) ++ map (fun m z => z d * m z) (monomials (S d) g)).
  split.
  - intros (cs & L & F). rewrite app_length, map_length in L.
    set (n := length (monomials d (S g))) in *.
    exists (combine_at (firstn n cs) (monomials d (S g))),
      (combine_at (skipn n cs) (monomials (S d) g)).
    assert (L1 : length (firstn n cs) = n) by (rewrite firstn_length; lia).
    repeat split.
    + now exists (firstn n cs).
    + exists (skipn n cs). split; [rewrite skipn_length; lia|easy].
    + intros z. rewrite F. rewrite <- (firstn_skipn n cs) at 1.
      rewrite combine_app by easy. now rewrite combine_mult.
  - intros (f1 & f2 & H1 & H2 & F).
    apply (spanned_ext _ _ (fun z => 1 * f1 z + 1 * (z d * f2 z))); [intros; rewrite F; ring|].
    apply spanned_linear; [now apply spanned_left|apply spanned_right].
    destruct H2 as (cs & L & H2). exists cs. split; [now rewrite map_length|].
    intros z. now rewrite combine_mult, H2.
Qed.

Lemma spanned_one (d : nat) : forall g, spanned (monomials d g) (fun _ => 1).
Proof.
  induction d as [|d IH]; intros [|g].
  1-3: exists [1]; split; [easy|]; intros; simpl; ring.
  apply spanned_parts. exists (fun _ => 1), (fun _ => 0).
  split; [apply IH|split; [apply spanned_zero|intros; ring]].
Qed.

(* A higher degree bound holds no less. *)
Lemma spanned_more (d : nat) : forall g f, spanned (monomials d g) f -> spanned (monomials d (S g)) f.
Proof.
  induction d as [|d IH]; [easy|].
  induction g as [|g IHg]; intros f H.
  - destruct H as (cs & L & F). destruct cs as [|c [|c' cs]]; simpl in L; try lia.
    apply (spanned_ext _ _ (fun z => c * 1 + 0 * 1)); [intros z; rewrite F; simpl; ring|].
    apply spanned_linear; apply spanned_one.
  - apply spanned_parts in H. destruct H as (f1 & f2 & H1 & H2 & F).
    apply spanned_parts. exists f1, f2. auto.
Qed.

Lemma spanned_times (d : nat) : forall g i f,
  (i < d)%nat -> spanned (monomials d g) f -> spanned (monomials d (S g)) (fun z => z i * f z).
Proof.
  induction d as [|d IH]; [lia|].
  induction g as [|g IHg]; intros i f Hi H; apply spanned_parts.
  - destruct H as (cs & L & F). destruct cs as [|c [|c' cs]]; simpl in L; try lia.
    destruct (Nat.eq_dec i d) as [->|Hd].
    + exists (fun _ => 0), (fun _ => c). split; [apply spanned_zero|]. split.
      * exists [c]. split; [easy|]. intros; simpl; ring.
      * intros z. rewrite F. simpl. ring.
    + exists (fun z => z i * c), (fun _ => 0). split.
      * apply IH; [lia|]. destruct d; [lia|]. exists [c]. split; [easy|]. intros; simpl; ring.
      * split; [apply spanned_zero|]. intros z. rewrite F. simpl. ring.
  - destruct (Nat.eq_dec i d) as [->|Hd].
    + exists (fun _ => 0), f. split; [apply spanned_zero|]. split; [easy|]. intros; ring.
    + apply spanned_parts in H. destruct H as (f1 & f2 & H1 & H2 & F).
      exists (fun z => z i * f1 z), (fun z => z i * f2 z). split; [apply IH; [lia|easy]|].
      split; [now apply IHg|]. intros z. rewrite F. ring.
Qed.

(* Polynomials in z_0 + .. + z_(d-1). *)
Lemma spanned_sum (d g : nat) (f : (nat -> R) -> R) : spanned (monomials d g) f ->
  forall n, (n <= d)%nat -> spanned (monomials d (S g)) (fun z => sum n z * f z).
Proof.
  intros H. induction n; intros Hn.
  - apply (spanned_ext _ _ (fun _ => 0)); [intros; simpl; ring|apply spanned_zero].
  - apply (spanned_ext _ _ (fun z => 1 * (sum n z * f z) + 1 * (z n * f z)));
      [intros; simpl; ring|].
    apply spanned_linear; [apply IHn; lia|now apply spanned_times].
Qed.

Lemma spanned_polynomial (d : nat) (sigma : R) (p : list R) : forall g,
  (length p <= S g)%nat -> spanned (monomials d g) (fun z => peval p (sum d z / sigma)).
Proof.
  induction p as [|c p IH]; intros g Hg; [apply spanned_zero|].
  destruct g as [|g].
  - destruct p; [|simpl in Hg; lia].
    apply (spanned_ext _ _ (fun z => c * 1 + 0 * 1)); [intros; simpl; ring|].
    apply spanned_linear; apply spanned_one.
  - apply (spanned_ext _ _ (fun z => c * 1 + / sigma * (sum d z * peval p (sum d z / sigma))));
      [intros; simpl; unfold Rdiv; ring|].
    apply spanned_linear; [apply spanned_one|].
    apply (spanned_sum d g); [|lia]. apply IH. simpl in Hg. lia.
Qed.

Theorem monomial_rank (d g : nat) (sigma : R) (p : list R) :
  (length p <= g + 1)%nat ->
  exists phi psi : nat -> (nat -> R) -> R, forall q k : nat -> R,
    peval p (dot d q k / sigma) = sum (binomial (d + g) g) (fun a => phi a q * psi a k).
Proof.
  intros H. destruct (spanned_polynomial d sigma p g) as (cs & L & F); [lia|].
  exists (fun a q => nth a cs 0 * nth a (monomials d g) (fun _ => 0) q),
    (fun a k => nth a (monomials d g) (fun _ => 0) k).
  intros q k. unfold dot. rewrite (F (fun i => q i * k i)).
  rewrite <- monomials_count.
  assert (S : forall m, In m (monomials d g) -> m (fun i => q i * k i) = m q * m k)
    by (intros; now apply (monomials_split d g)).
  revert L S. clear F H. generalize (monomials d g). intros ms. revert cs.
  induction ms as [|m ms IH] using rev_ind; intros cs L S; [destruct cs; easy|].
  destruct cs as [|c cs] using rev_ind; [rewrite app_length in L; simpl in L; lia|].
  rewrite !app_length in L. simpl in L.
  rewrite combine_app by lia. rewrite app_length, Nat.add_1_r. simpl sum.
  rewrite (IH cs); [|lia|intros; apply S; apply in_or_app; now left].
  simpl combine_at. rewrite S by (apply in_or_app; right; now left).
  rewrite !app_nth2 by lia.
  replace (length ms - length cs)%nat with 0%nat by lia. rewrite Nat.sub_diag. simpl nth.
  rewrite Rplus_0_r, Rmult_assoc. f_equal. apply sum_ext. intros a Ha.
  rewrite !app_nth1 by lia. reflexivity.
Qed.

(* One feature fewer does not serve: 1 + q k has rank 2. *)
Theorem monomial_rank_sharp :
  ~ exists phi psi : nat -> (nat -> R) -> R, forall q k : nat -> R,
    peval [1; 1] (dot 1 q k / 1) = sum (binomial (1 + 1) 1 - 1) (fun a => phi a q * psi a k).
Proof.
  intros (phi & psi & H). simpl in H.
  assert (A := H (fun _ => 0) (fun _ => 0)). assert (B := H (fun _ => 0) (fun _ => 1)).
  assert (C := H (fun _ => 1) (fun _ => 0)). assert (D := H (fun _ => 1) (fun _ => 1)).
  unfold dot in *. simpl in *.
  set (a := phi 0%nat (fun _ => 0)) in *. set (b := phi 0%nat (fun _ => 1)) in *.
  set (c := psi 0%nat (fun _ => 0)) in *. set (e := psi 0%nat (fun _ => 1)) in *.
  assert (a * c = 1) by lra. assert (a * e = 1) by lra. assert (b * c = 1) by lra.
  assert (b * e = 2) by lra.
  assert ((a * c) * (b * e) = (a * e) * (b * c)) by ring. rewrite H0, H1, H2, H3 in H4. lra.
Qed.
