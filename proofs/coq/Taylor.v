(* Claim taylor-relative: the exact relative error of Taylor's polynomial, and where it is largest. *)

From Coq Require Import Reals List Lra Lia Psatz.
From Coquelicot Require Import Coquelicot.
From Varnum Require Import Polynomial Sums.
Import ListNotations.
Open Scope R_scope.

(* 1, 1, 1/2, 1/6, .., 1/g! *)
Definition taylor (g : nat) : list R := map (fun k => / INR (fact k)) (seq 0 (S g)).

Lemma peval_app (p q : list R) (x : R) : peval (p ++ q) x = peval p x + x ^ length p * peval q x.
Proof. induction p as [|c p IH]; simpl; [ring|]. rewrite IH. ring. Qed.

Lemma taylor_step (g : nat) (x : R) :
  peval (taylor (S g)) x = peval (taylor g) x + x ^ S g / INR (fact (S g)).
Proof.
  unfold taylor. rewrite (seq_S (S g)), map_app, peval_app, map_length, seq_length.
  cbn [map peval Nat.add]. unfold Rdiv. ring.
Qed.

Lemma taylor_derivative (g : nat) (x : R) :
  is_derive (peval (taylor g)) x (peval (taylor g) x - x ^ g / INR (fact g)).
Proof.
  induction g as [|g IH].
  - replace (peval (taylor 0) x - x ^ 0 / INR (fact 0)) with 0 by (simpl; field).
    apply (is_derive_ext (fun _ => 1)); [intros; simpl; field|apply (is_derive_const 1)].
  - apply (is_derive_ext (fun y => peval (taylor g) y + y ^ S g / INR (fact (S g)))).
    { intros y. symmetry. apply taylor_step. }
    rewrite taylor_step.
    replace (peval (taylor g) x + x ^ S g / INR (fact (S g)) - x ^ S g / INR (fact (S g)))
      with ((peval (taylor g) x - x ^ g / INR (fact g)) + x ^ g / INR (fact g)) by ring.
    apply (is_derive_plus (peval (taylor g)) (fun y => y ^ S g / INR (fact (S g)))); [exact IH|].
    assert (F : INR (fact (S g)) = INR (S g) * INR (fact g)) by now rewrite fact_simpl, mult_INR.
    assert (Z := INR_fact_neq_0 (S g)). assert (Z' := INR_fact_neq_0 g).
    assert (N : INR (S g) <> 0) by now apply not_0_INR.
    revert F Z. generalize (INR (fact (S g))) as c. intros c F Z.
    auto_derive; [easy|]. rewrite F. change (pred (S g)) with g.
    change (match g with O => 1 | S _ => INR g + 1 end) with (INR (S g)). field. now split.
Qed.

Definition relative_error (g : nat) (x : R) : R := peval (taylor g) x * exp (- x) - 1.

Lemma error_derivative (g : nat) (x : R) :
  is_derive (relative_error g) x (- (x ^ g * exp (- x) / INR (fact g))).
Proof.
  unfold relative_error.
  replace (- (x ^ g * exp (- x) / INR (fact g)))
    with ((peval (taylor g) x - x ^ g / INR (fact g)) * exp (- x) + peval (taylor g) x * (- exp (- x)) - 0)
    by (unfold Rdiv; ring).
  apply (is_derive_minus (fun y => peval (taylor g) y * exp (- y)) (fun _ => 1)).
  - apply (is_derive_mult (peval (taylor g)) (fun y => exp (- y)));
      [apply taylor_derivative| |exact Rmult_comm].
    auto_derive; [easy|ring].
  - apply (is_derive_const 1).
Qed.

Lemma error_0 (g : nat) : relative_error g 0 = 0.
Proof.
  unfold relative_error. rewrite Ropp_0, exp_0.
  assert (peval (taylor g) 0 = 1); [|lra].
  induction g; [simpl; field|]. rewrite taylor_step, IHg. simpl. unfold Rdiv. ring.
Qed.

(* T_g(M) *)
Definition top (g : nat) (M : R) : R := RInt (fun t => t ^ g * exp t / INR (fact g)) 0 M.

Lemma continuous_of (f : R -> R) (x : R) : ex_derive f x -> continuous f x.
Proof. exact (ex_derive_continuous f x). Qed.

Theorem taylor_integral (g : nat) (x : R) :
  relative_error g x = - RInt (fun t => t ^ g * exp (- t) / INR (fact g)) 0 x.
Proof.
  assert (H : is_RInt (fun t => - (t ^ g * exp (- t) / INR (fact g))) 0 x
    (minus (relative_error g x) (relative_error g 0))).
  { apply (is_RInt_derive (relative_error g)).
    - intros t _. apply error_derivative.
    - intros t _. apply continuous_of. auto_derive. easy. }
  apply (is_RInt_unique (V := R_CompleteNormedModule)) in H. rewrite error_0 in H. unfold minus, plus, opp in H. simpl in H.
  rewrite Ropp_0, Rplus_0_r in H. rewrite <- H.
  apply (RInt_opp (fun t => t ^ g * exp (- t) / INR (fact g))).
  apply ex_RInt_continuous. intros t _. apply continuous_of. auto_derive. easy.
Qed.

Lemma top_derive (g : nat) (y : R) : is_derive (top g) y (y ^ g * exp y / INR (fact g)).
Proof.
  apply (is_derive_RInt (fun t => t ^ g * exp t / INR (fact g)) (top g) 0).
  - exists (mkposreal 1 Rlt_0_1). intros b _. apply (@RInt_correct R_CompleteNormedModule).
    apply ex_RInt_continuous. intros t _. apply continuous_of. auto_derive. easy.
  - apply continuous_of. auto_derive. easy.
Qed.

Lemma top_0 (g : nat) : top g 0 = 0.
Proof. unfold top. now rewrite RInt_point. Qed.

(* A difference that grows. *)
Lemma below (f f' h h' : R -> R) (t : R) :
  0 <= t -> (forall x, is_derive f x (f' x)) -> (forall x, is_derive h x (h' x)) -> f 0 = h 0 ->
  (forall x, 0 <= x <= t -> f' x <= h' x) -> f t <= h t.
Proof.
  intros Ht Df Dh E H. destruct Ht as [Ht|<-]; [|lra].
  destruct (MVT_cor2 (fun x => h x - f x) (fun x => h' x - f' x) 0 t Ht) as (c & Ec & Ic).
  - intros c _. apply derivable_pt_lim_minus; now apply is_derive_Reals.
  - assert (f' c <= h' c) by (apply H; lra). nra.
Qed.

Lemma pow_sign (g : nat) : (-1) ^ g * (-1) ^ g = 1.
Proof. rewrite <- Rpow_mult_distr. replace (-1 * -1) with 1 by ring. apply pow1. Qed.

(* On the left the error is T_g up to sign. *)
Lemma error_left (g : nat) (y : R) : relative_error g (- y) = (-1) ^ g * top g y.
Proof.
  assert (D : forall x, is_derive (fun s => relative_error g (- s)) x ((-1) ^ g * (x ^ g * exp x / INR (fact g)))).
  { intros x.
    replace ((-1) ^ g * (x ^ g * exp x / INR (fact g)))
      with (-1 * - ((- x) ^ g * exp (- - x) / INR (fact g))).
    - apply (is_derive_comp (relative_error g) (fun s => - s)); [apply error_derivative|].
      auto_derive; [easy|ring].
    - rewrite Ropp_involutive. replace (- x) with (-1 * x) by ring. rewrite Rpow_mult_distr.
      unfold Rdiv. ring. }
  assert (H : is_RInt (fun t => (-1) ^ g * (t ^ g * exp t / INR (fact g))) 0 y
    (minus (relative_error g (- y)) (relative_error g (- 0)))).
  { apply (is_RInt_derive (fun s => relative_error g (- s))).
    - intros t _. apply D.
    - intros t _. apply continuous_of. auto_derive. easy. }
  apply (is_RInt_unique (V := R_CompleteNormedModule)) in H. rewrite Ropp_0, error_0 in H. unfold minus, plus, opp in H. simpl in H.
  rewrite Ropp_0, Rplus_0_r in H. rewrite <- H. unfold top.
  apply (RInt_scal (fun t => t ^ g * exp t / INR (fact g))).
  apply ex_RInt_continuous. intros t _. apply continuous_of. auto_derive. easy.
Qed.

Lemma factor_pos (g : nat) (t s : R) : 0 <= t -> 0 <= t ^ g * exp s / INR (fact g).
Proof.
  intros Ht. apply Rmult_le_pos; [apply Rmult_le_pos; [now apply pow_le|left; apply exp_pos]|].
  left. apply Rinv_0_lt_compat. apply (lt_INR 0), lt_O_fact.
Qed.

Lemma top_grows (g : nat) (s t : R) : 0 <= s <= t -> 0 <= top g s <= top g t.
Proof.
  intros H. assert (P : forall a b, 0 <= a <= b -> top g a <= top g b).
  { intros a b [Ha [Hb|E]]; [|rewrite E; lra].
    destruct (MVT_cor2 (top g) (fun y => y ^ g * exp y / INR (fact g)) a b Hb) as (c & E & I).
    - intros c _. apply is_derive_Reals, top_derive.
    - assert (0 <= c ^ g * exp c / INR (fact g)) by (apply factor_pos; lra). nra. }
  split; [rewrite <- (top_0 g); apply P; lra|now apply P].
Qed.

Theorem taylor_relative (g : nat) (M : R) :
  0 <= M ->
  (forall x, - M <= x <= M -> Rabs (peval (taylor g) x * exp (- x) - 1) <= top g M) /\
  Rabs (peval (taylor g) (- M) * exp (- - M) - 1) = top g M.
Proof.
  intros HM.
  assert (Left : forall y, 0 <= y -> Rabs (relative_error g (- y)) = top g y).
  { intros y Hy. rewrite error_left, Rabs_mult, <- RPow_abs.
    replace (Rabs (-1)) with 1 by (rewrite Rabs_left; lra). rewrite pow1, Rmult_1_l.
    apply Rabs_pos_eq. apply (top_grows g y y). lra. }
  split; [|now apply Left].
  intros x Hx. fold (relative_error g x). destruct (Rle_lt_dec x 0) as [L|L].
  - rewrite <- (Ropp_involutive x), Left by lra. apply top_grows. lra.
  - apply Rle_trans with (top g x); [|apply top_grows; lra].
    assert (U : relative_error g x <= top g x).
    { apply (below (relative_error g) (fun t => - (t ^ g * exp (- t) / INR (fact g))) (top g)
        (fun t => t ^ g * exp t / INR (fact g))); [lra|apply error_derivative|apply top_derive| |].
      - now rewrite error_0, top_0.
      - intros t Ht. assert (A := factor_pos g t t ltac:(lra)). assert (B := factor_pos g t (- t) ltac:(lra)). lra. }
    assert (D : - relative_error g x <= top g x).
    { apply (below (fun t => - relative_error g t) (fun t => t ^ g * exp (- t) / INR (fact g)) (top g)
        (fun t => t ^ g * exp t / INR (fact g))); [lra| |apply top_derive| |].
      - intros t. replace (t ^ g * exp (- t) / INR (fact g))
          with (- - (t ^ g * exp (- t) / INR (fact g))) by ring.
        apply (is_derive_opp (relative_error g)). apply error_derivative.
      - rewrite error_0, top_0. ring.
      - intros t Ht. unfold Rdiv. apply Rmult_le_compat_r.
        + left. apply Rinv_0_lt_compat. apply (lt_INR 0), lt_O_fact.
        + apply Rmult_le_compat_l; [apply pow_le; lra|].
          assert (- t <= t) by lra. destruct H as [S|S]; [left; now apply exp_increasing|rewrite S; lra]. }
    apply Rabs_le. lra.
Qed.
