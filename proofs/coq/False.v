(* Slightly stronger statements, each shown to be false: by a witness, or because the proved bound is
   attained. A check that could not refuse these would prove nothing. *)

From Coq Require Import Reals QArith List Lra Lia Psatz.
From Coquelicot Require Import Coquelicot.
From Varnum Require Import Polynomial Statement Sums Softmax Rank Heads Cache Layers Residual Moments Taylor.
Import ListNotations.
Open Scope R_scope.

Lemma tanh_grows (a b : R) : a < b -> tanh a < tanh b.
Proof.
  intros H. replace a with (2 * a / 2) by field. replace b with (2 * b / 2) by field.
  rewrite !tanh_half.
  assert (P := exp_pos (2 * a)). assert (Q := exp_pos (2 * b)).
  assert (L : exp (2 * a) < exp (2 * b)) by (apply exp_increasing; lra).
  apply (Rmult_lt_reg_r ((exp (2 * a) + 1) * (exp (2 * b) + 1))); [apply Rmult_lt_0_compat; lra|].
  replace ((exp (2 * a) - 1) / (exp (2 * a) + 1) * ((exp (2 * a) + 1) * (exp (2 * b) + 1)))
    with ((exp (2 * a) - 1) * (exp (2 * b) + 1)) by (field; lra).
  replace ((exp (2 * b) - 1) / (exp (2 * b) + 1) * ((exp (2 * a) + 1) * (exp (2 * b) + 1)))
    with ((exp (2 * b) - 1) * (exp (2 * a) + 1)) by (field; lra).
  nra.
Qed.

Lemma pair_values (j : nat) : 0 <= pair 1 0 j <= 1.
Proof. destruct j; simpl; lra. Qed.

(* 1. softmax-logit with zeta/3 in place of zeta/2. *)
Theorem logit_third_false : ~ (forall (n : nat) (x y v : nat -> R) (zeta low high : R),
  (0 < n)%nat -> 0 <= zeta ->
  (forall j, (j < n)%nat -> Rabs (y j - x j) <= zeta) ->
  (forall j, (j < n)%nat -> low <= v j <= high) ->
  Rabs (average n (fun j => exp (y j)) v - average n (fun j => exp (x j)) v)
    <= (high - low) * tanh (zeta / 3)).
Proof.
  intros H. destruct (softmax_logit_sharp 1) as (x & y & Hxy & E); [lra|].
  specialize (H 2%nat x y (pair 1 0) 1 0 1 ltac:(lia) ltac:(lra) ltac:(auto) (fun j _ => pair_values j)).
  rewrite E in H. assert (T := tanh_grows (1 / 3) (1 / 2) ltac:(lra)).
  assert (A := Rle_abs (tanh (1 / 2))). lra.
Qed.

(* 2. softmax-relative with artanh(eps)/3. *)
Theorem relative_third_false : ~ (forall (n : nat) (a b v : nat -> R) (eps low high : R),
  (0 < n)%nat -> 0 <= eps < 1 ->
  (forall j, (j < n)%nat -> 0 < a j /\ Rabs (b j - a j) <= eps * a j) ->
  (forall j, (j < n)%nat -> low <= v j <= high) ->
  Rabs (average n b v - average n a v) <= (high - low) * tanh (artanh eps / 3)).
Proof.
  intros H. destruct (softmax_relative_sharp (3 / 5)) as (a & b & Hab & E); [lra|].
  specialize (H 2%nat a b (pair 1 0) (3 / 5) 0 1 ltac:(lia) ltac:(lra) ltac:(auto)
    (fun j _ => pair_values j)).
  rewrite E in H.
  assert (P : 0 < artanh (3 / 5)).
  { unfold artanh. assert (0 < ln ((1 + 3 / 5) / (1 - 3 / 5))); [|lra].
    rewrite <- ln_1. apply ln_increasing; lra. }
  assert (T := tanh_grows (artanh (3 / 5) / 3) (artanh (3 / 5) / 2) ltac:(lra)).
  assert (A := Rle_abs (tanh (artanh (3 / 5) / 2))). lra.
Qed.

(* 3. The general bound with u + 2 in place of u + 1. *)
Theorem ratio_bound_false : ~ (forall (n : nat) (a b v : nat -> R) (f u low high : R),
  (0 < n)%nat -> 0 < f -> 1 <= u ->
  (forall j, (j < n)%nat -> 0 < a j /\ f * a j <= b j <= u * u * f * a j) ->
  (forall j, (j < n)%nat -> low <= v j <= high) ->
  Rabs (average n b v - average n a v) <= (high - low) * ((u - 1) / (u + 2))).
Proof.
  intros H.
  specialize (H 2%nat (pair 1 2) (pair 4 2) (pair 1 0) 1 2 0 1 ltac:(lia) ltac:(lra) ltac:(lra)).
  assert (Rabs (average 2 (pair 4 2) (pair 1 0) - average 2 (pair 1 2) (pair 1 0))
    <= (1 - 0) * ((2 - 1) / (2 + 2))) as G.
  { apply H; [|intros; apply pair_values]. intros [|j] _; simpl; lra. }
  unfold average in G. simpl in G.
  assert (A := Rle_abs ((0 + 4 * 1 + 2 * 0) / (0 + 4 + 2) - (0 + 1 * 1 + 2 * 0) / (0 + 1 + 2))).
  lra.
Qed.

(* 4. monomial-rank with one feature fewer. *)
Theorem rank_false : ~ (forall (d g : nat) (sigma : R) (p : list R), (length p <= g + 1)%nat ->
  exists phi psi : nat -> (nat -> R) -> R, forall q k : nat -> R,
    peval p (dot d q k / sigma) = sum (binomial (d + g) g - 1) (fun a => phi a q * psi a k)).
Proof. intros H. apply monomial_rank_sharp. apply (H 1%nat 1%nat 1 [1; 1]). simpl. lia. Qed.

(* 5. seth-head: 3/5 for a near word. *)
Theorem close_false : ~ (forall (m g t t2 n : nat) (s sigma : R) x y, (t < t2)%nat -> (0 < n)%nat ->
  0 < sigma -> INR g = Rabs (INR m - 2 * INR t) ->
  s * s / sigma >= ln (3 * INR n) / (2 * (INR t2 - INR t)) ->
  (exists j, (j < n)%nat /\ (hamming m x (y j) <= t)%nat) -> 3 / 5 <= out m g t n s sigma x y).
Proof.
  intros H. destruct close_sharp as (x & y & s & R & D & E).
  specialize (H 1%nat 1%nat 0%nat 1%nat 1%nat s 1 x y ltac:(lia) ltac:(lia) ltac:(lra)).
  rewrite E in H. assert (3 / 5 <= 1 / 2); [apply H; [|exact R|]|lra].
  - simpl. rewrite Rabs_pos_eq; lra.
  - exists 0%nat. split; [lia|]. rewrite D. lia.
Qed.

(* 6. seth-head: 1/5 for far words. *)
Theorem far_false : ~ (forall (m g t t2 n : nat) (s sigma : R) x y, (t < t2)%nat -> (0 < n)%nat ->
  0 < sigma -> INR g = Rabs (INR m - 2 * INR t) ->
  s * s / sigma >= ln (3 * INR n) / (2 * (INR t2 - INR t)) ->
  (forall j, (j < n)%nat -> (t2 <= hamming m x (y j))%nat) -> out m g t n s sigma x y <= 1 / 5).
Proof.
  intros H. destruct far_sharp as (x & y & s & R & D & E).
  specialize (H 1%nat 1%nat 0%nat 1%nat 1%nat s 1 x y ltac:(lia) ltac:(lia) ltac:(lra)).
  rewrite E in H. assert (1 / 4 <= 1 / 5); [apply H; [|exact R|]|lra].
  - simpl. rewrite Rabs_pos_eq; lra.
  - intros j Hj. replace j with 0%nat by lia. rewrite D. lia.
Qed.

(* 7. seth-head: 2n instead of 3n does not keep far words at 1/4. *)
Theorem rate_false : ~ (forall (m g t t2 n : nat) (s sigma : R) x y, (t < t2)%nat -> (0 < n)%nat ->
  0 < sigma -> INR g = Rabs (INR m - 2 * INR t) ->
  s * s / sigma >= ln (2 * INR n) / (2 * (INR t2 - INR t)) ->
  (forall j, (j < n)%nat -> (t2 <= hamming m x (y j))%nat) -> out m g t n s sigma x y <= 1 / 4).
Proof.
  intros H.
  assert (L : 0 <= ln 2 / 2).
  { assert (0 < ln 2); [|lra]. rewrite <- ln_1. apply ln_increasing; lra. }
  specialize (H 1%nat 1%nat 0%nat 1%nat 1%nat (sqrt (ln 2 / 2)) 1 (fun _ => true) (fun _ _ => false)
    ltac:(lia) ltac:(lia) ltac:(lra)).
  rewrite sqrt_sqrt in H by easy.
  assert (G : out 1 1 0 1 (sqrt (ln 2 / 2)) 1 (fun _ => true) (fun _ _ => false) <= 1 / 4).
  { apply H.
    - simpl. rewrite Rabs_pos_eq; lra.
    - simpl. right. replace (2 * 1) with 2 by ring. field.
    - intros j Hj. simpl. lia. }
  rewrite out_weight in G; [|lra|simpl; rewrite Rabs_pos_eq; lra].
  rewrite (exact_weight 1 0 1 1) in G by (intros; reflexivity).
  rewrite sqrt_sqrt in G by easy. simpl in G.
  replace (2 * (ln 2 / 2 / 1) * (0 - 1)) with (- ln 2) in G by field.
  rewrite exp_Ropp, exp_ln in G by lra. lra.
Qed.

(* 8. kv-capacity with errors up to 1/(2q) instead of 1/(4q): one state serves two tables. *)
Theorem rounding_false : ~ (forall (q : nat) (v v' o o' : R), (0 < q)%nat ->
  (exists k, v = INR k / INR q) -> (exists k, v' = INR k / INR q) ->
  Rabs (o - v) <= 1 / (4 * INR q) -> Rabs (o' - v') <= 1 / (4 * INR q) ->
  forall answer, Rabs (answer - o) < 1 / (2 * INR q) -> Rabs (answer - o') < 1 / (2 * INR q) -> v = v').
Proof.
  intros H. assert (0 = 1); [|lra].
  apply (H 1%nat 0 1 (1 / 4) (3 / 4) ltac:(lia)) with (answer := 1 / 2).
  - exists 0%nat. simpl. field.
  - exists 1%nat. simpl. field.
  - simpl. rewrite Rabs_pos_eq; lra.
  - simpl. rewrite Rabs_left; lra.
  - simpl. rewrite Rabs_pos_eq; lra.
  - simpl. rewrite Rabs_left; lra.
Qed.

(* 9. The pigeonhole with one value more per entry. *)
Theorem pigeonhole_false : ~ (forall (k len bits : nat) (state : list nat -> list bool),
  (forall t, length (state t) = bits) ->
  (forall t t', In t (tables k len) -> In t' (tables k len) -> state t = state t' -> t = t') ->
  ((k + 1) ^ len <= 2 ^ bits)%nat).
Proof.
  intros H.
  specialize (H 2%nat 1%nat 1%nat (fun t => [match t with 0%nat :: _ => true | _ => false end])
    (fun _ => eq_refl)).
  assert ((2 + 1) ^ 1 <= 2 ^ 1)%nat; [|simpl in *; lia].
  apply H. intros t t' [<-|[<-|[]]] [<-|[<-|[]]]; easy.
Qed.

(* 10. bicubic-lebesgue with 1 - a/3. *)
Theorem bicubic_false : ~ (forall a t : R, a <= 0 -> 0 <= t <= 1 -> l1 a t <= 1 - a / 3).
Proof.
  intros H. specialize (H (-3 / 4) (1 / 2) ltac:(lra) ltac:(lra)).
  rewrite bicubic_lebesgue_sharp in H; lra.
Qed.

(* 11. layernorm-lipschitz with h in place of sqrt(2 - 2 sqrt(1 - h^2)): four entries, h = 3/5. *)
Definition token (a b c d : R) (i : nat) : R :=
  match i with O => a | 1%nat => b | 2%nat => c | _ => d end.

Theorem layernorm_false : ~ (forall (c : nat) (eps : R) (x y : nat -> R) (h : R), (0 < c)%nat -> 0 <= eps ->
  0 < root c eps x -> 0 <= h < 1 -> distance2 c y x <= INR c * Rsqr (h * root c eps x) ->
  sqrt (distance2 c (layernorm c eps y) (layernorm c eps x)) <= sqrt (INR c) * h).
Proof.
  intros H. set (x := token 1 1 (-1) (-1)). set (y := token (28 / 25) (4 / 25) (-4 / 25) (-28 / 25)).
  assert (Rx : root 4 0 x = 1).
  { unfold root. replace (variance 4 x + 0) with 1; [apply sqrt_1|].
    unfold variance, centred, mean, x, Rsqr. simpl. field. }
  assert (Ry : root 4 0 y = 4 / 5).
  { unfold root. replace (variance 4 y + 0) with (4 / 5 * (4 / 5)); [apply sqrt_square; lra|].
    unfold variance, centred, mean, y, Rsqr. simpl. field. }
  specialize (H 4%nat 0 x y (3 / 5) ltac:(lia) ltac:(lra)). rewrite Rx in H.
  assert (G : sqrt (distance2 4 (layernorm 4 0 y) (layernorm 4 0 x)) <= sqrt (INR 4) * (3 / 5)).
  { apply H; try lra. unfold distance2, x, y, Rsqr. simpl. lra. }
  replace (sqrt (INR 4)) with 2 in G.
  2: { replace (INR 4) with (2 * 2) by (simpl; ring). now rewrite sqrt_square by lra. }
  assert (E : distance2 4 (layernorm 4 0 y) (layernorm 4 0 x) = 8 / 5).
  { unfold distance2, layernorm. rewrite Rx, Ry. unfold centred, mean, x, y, Rsqr. simpl. field. }
  rewrite E in G. assert (P := sqrt_pos (8 / 5)). assert (S := sqrt_sqrt (8 / 5) ltac:(lra)). nra.
Qed.

(* 12. taylor-relative with T_(g+1). *)
Theorem taylor_false : ~ (forall (g : nat) (M : R), 0 <= M -> forall x, - M <= x <= M ->
  Rabs (peval (taylor g) x * exp (- x) - 1) <= top (S g) M).
Proof.
  intros H. destruct (taylor_relative 0 1 ltac:(lra)) as [_ E].
  specialize (H 0%nat 1 ltac:(lra) (Ropp 1) ltac:(lra)). rewrite E in H.
  assert (G : top 1 1 - top 0 1 < top 1 0 - top 0 0).
  { destruct (MVT_cor2 (fun y => top 1 y - top 0 y) (fun y => y ^ 1 * exp y / INR (fact 1)
      - y ^ 0 * exp y / INR (fact 0)) 0 1 ltac:(lra)) as (c & Ec & Ic).
    - intros c _. apply derivable_pt_lim_minus; apply is_derive_Reals, top_derive.
    - simpl in Ec. assert (P := exp_pos c). assert (0 < (1 - c) * exp c) by (apply Rmult_lt_0_compat; lra).
      assert (top 1 1 - top 0 1 - (top 1 0 - top 0 0) = (c - 1) * exp c) by (rewrite Ec; field). lra. }
  rewrite !top_0 in G. lra.
Qed.
