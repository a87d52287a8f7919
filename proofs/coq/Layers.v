(* Claims bicubic-lebesgue and layernorm-lipschitz (its l2 part). *)

From Coq Require Import Reals Lra Lia Psatz.
From Varnum Require Import Sums.
Open Scope R_scope.

(* Keys' kernel at distance d: within 1, and from 1 to 2. *)
Definition keys_inner (a d : R) : R := (a + 2) * d ^ 3 - (a + 3) * d ^ 2 + 1.
Definition keys_outer (a d : R) : R := a * (d ^ 3 - 5 * d ^ 2 + 8 * d - 4).

Definition tap0 (a t : R) : R := keys_outer a (1 + t).
Definition tap1 (a t : R) : R := keys_inner a t.
Definition tap2 (a t : R) : R := keys_inner a (1 - t).
Definition tap3 (a t : R) : R := keys_outer a (2 - t).

Definition l1 (a t : R) : R := Rabs (tap0 a t) + Rabs (tap1 a t) + Rabs (tap2 a t) + Rabs (tap3 a t).

Lemma outer_sign (a t : R) : a <= 0 -> 0 <= t <= 1 -> 4 * a / 27 <= a * (t * ((1 - t) * (1 - t))) <= 0.
Proof.
  intros Ha Ht. assert (P : 0 <= t * ((1 - t) * (1 - t))) by (apply Rmult_le_pos; [lra|apply Rle_0_sqr]).
  assert (Q : 0 <= (t - 1 / 3) * (t - 1 / 3) * (4 / 3 - t))
    by (apply Rmult_le_pos; [apply Rle_0_sqr|lra]).
  set (w := t * ((1 - t) * (1 - t))) in *. assert (W : w <= 4 / 27) by (unfold w; lra).
  assert (0 <= - a * (4 / 27 - w)) by (apply Rmult_le_pos; lra).
  assert (0 <= - a * w) by (apply Rmult_le_pos; lra). lra.
Qed.

Lemma inner_sign (a t : R) : a <= 0 -> 0 <= t <= 1 -> 0 <= keys_inner a t.
Proof.
  intros Ha Ht. unfold keys_inner.
  replace ((a + 2) * t ^ 3 - (a + 3) * t ^ 2 + 1)
    with ((1 - t) * ((1 - t) * (1 + 2 * t) + - a * (t * t))) by ring.
  assert (0 <= - a * (t * t)) by (apply Rmult_le_pos; [lra|apply Rle_0_sqr]).
  assert (0 <= (1 - t) * (1 + 2 * t)) by (apply Rmult_le_pos; lra).
  apply Rmult_le_pos; lra.
Qed.

Theorem bicubic_lebesgue (a t : R) :
  a <= 0 -> 0 <= t <= 1 ->
  tap0 a t + tap1 a t + tap2 a t + tap3 a t = 1 /\
  l1 a t = 1 - 2 * a * t * (1 - t) /\
  l1 a t <= 1 - a / 2 /\
  4 * a / 27 <= tap0 a t /\ 0 <= tap1 a t /\ 0 <= tap2 a t /\ 4 * a / 27 <= tap3 a t.
Proof.
  intros Ha Ht.
  assert (E0 : tap0 a t = a * (t * ((1 - t) * (1 - t)))) by (unfold tap0, keys_outer; ring).
  assert (E3 : tap3 a t = a * ((1 - t) * ((1 - (1 - t)) * (1 - (1 - t)))))
    by (unfold tap3, keys_outer; ring).
  assert (S0 := outer_sign a t Ha Ht). assert (S3 := outer_sign a (1 - t) Ha ltac:(lra)).
  assert (S1 := inner_sign a t Ha Ht). assert (S2 := inner_sign a (1 - t) Ha ltac:(lra)).
  rewrite <- E0 in S0. rewrite <- E3 in S3. fold (tap1 a t) in S1. fold (tap2 a t) in S2.
  assert (E : l1 a t = 1 - 2 * a * t * (1 - t)).
  { unfold l1. rewrite (Rabs_left1 (tap0 a t)), (Rabs_left1 (tap3 a t)) by lra.
    rewrite (Rabs_pos_eq (tap1 a t)), (Rabs_pos_eq (tap2 a t)) by easy.
    unfold tap0, tap1, tap2, tap3, keys_outer, keys_inner. ring. }
  repeat split; try lra.
  - unfold tap0, tap1, tap2, tap3, keys_outer, keys_inner. ring.
  - rewrite E. assert (0 <= - a * ((t - 1 / 2) * (t - 1 / 2))) by (apply Rmult_le_pos; [lra|apply Rle_0_sqr]). lra.
Qed.

Theorem bicubic_lebesgue_sharp (a : R) : a <= 0 -> l1 a (1 / 2) = 1 - a / 2.
Proof. intros Ha. destruct (bicubic_lebesgue a (1 / 2) Ha ltac:(lra)) as (_ & -> & _). field. Qed.

Theorem bicubic_min_sharp (a : R) : tap0 a (1 / 3) = 4 * a / 27.
Proof. unfold tap0, keys_outer. field. Qed.

(* Two axes, torch's a = -3/4. *)
Theorem bicubic_two_axes (t s : R) :
  0 <= t <= 1 -> 0 <= s <= 1 -> l1 (-3 / 4) t * l1 (-3 / 4) s <= 121 / 64.
Proof.
  intros Ht Hs.
  destruct (bicubic_lebesgue (-3 / 4) t ltac:(lra) Ht) as (_ & E1 & B1 & _).
  destruct (bicubic_lebesgue (-3 / 4) s ltac:(lra) Hs) as (_ & E2 & B2 & _).
  replace (121 / 64) with (11 / 8 * (11 / 8)) by field.
  assert (0 <= t * (1 - t)) by (apply Rmult_le_pos; lra). assert (0 <= s * (1 - s)) by (apply Rmult_le_pos; lra).
  apply Rmult_le_compat; lra.
Qed.

(* LayerNorm of a token of c entries. *)
Section LayerNorm.
Variables (c : nat) (eps : R).
Hypothesis entries : (0 < c)%nat.
Hypothesis eps_nonneg : 0 <= eps.

Definition mean (x : nat -> R) : R := sum c x / INR c.
Definition centred (x : nat -> R) (i : nat) : R := x i - mean x.
Definition variance (x : nat -> R) : R := sum c (fun i => Rsqr (centred x i)) / INR c.
Definition root (x : nat -> R) : R := sqrt (variance x + eps).
Definition layernorm (x : nat -> R) (i : nat) : R := centred x i / root x.
Definition distance2 (x y : nat -> R) : R := sum c (fun i => Rsqr (x i - y i)).

Lemma c_pos : 0 < INR c.
Proof. apply lt_0_INR. exact entries. Qed.

Lemma variance_nonneg (x : nat -> R) : 0 <= variance x.
Proof.
  unfold variance. apply Rmult_le_pos; [|left; apply Rinv_0_lt_compat, c_pos].
  apply sum_nonneg. intros. apply Rle_0_sqr.
Qed.

Lemma root_square (x : nat -> R) : root x * root x = variance x + eps.
Proof. unfold root. apply sqrt_sqrt. assert (P := variance_nonneg x). lra. Qed.

(* Centring is a projection. *)
Lemma centring (x y : nat -> R) : distance2 (centred x) (centred y) <= distance2 x y.
Proof.
  assert (C := c_pos). unfold distance2. set (m := mean x - mean y).
  assert (M : INR c * m = sum c (fun i => x i - y i)).
  { rewrite sum_minus. unfold m, mean. field. lra. }
  rewrite (sum_ext c (fun i => Rsqr (centred x i - centred y i))
    (fun i => Rsqr (x i - y i) + (-2 * m * (x i - y i) + m * m)))
    by (intros; unfold centred, m, Rsqr; ring).
  rewrite !sum_plus, sum_scale, sum_const, <- M.
  assert (0 <= INR c * (m * m)) by (apply Rmult_le_pos; [lra|apply Rle_0_sqr]). lra.
Qed.

(* The cosine of the angle between the two, each with sqrt(c eps) appended. *)
Lemma cosine (x y : nat -> R) (h : R) :
  0 <= h < 1 -> distance2 y x <= INR c * Rsqr (h * root x) ->
  INR c * (sqrt (1 - h * h) * (root x * root y))
  <= sum c (fun i => centred x i * centred y i) + INR c * eps.
Proof.
  intros Hh Hd. assert (C := c_pos). assert (D := centring y x). unfold distance2 in D.
  rewrite (sum_ext c (fun i => Rsqr (centred y i - centred x i))
    (fun i => Rsqr (centred y i) + (Rsqr (centred x i) + -2 * (centred x i * centred y i)))) in D
    by (intros; unfold Rsqr; ring).
  rewrite !sum_plus, sum_scale in D.
  assert (Vx := root_square x). assert (Vy := root_square y). unfold variance in Vx, Vy.
  set (k := sqrt (1 - h * h)). assert (K : k * k = 1 - h * h) by (unfold k; apply sqrt_sqrt; nra).
  assert (Q := Rle_0_sqr (root y - k * root x)). unfold Rsqr in *.
  set (A := sum c (fun i => centred x i * centred x i)) in *.
  set (B := sum c (fun i => centred y i * centred y i)) in *.
  set (S := sum c (fun i => centred x i * centred y i)) in *.
  assert (EA : A = INR c * (root x * root x) - INR c * eps) by (rewrite Vx; field; lra).
  assert (EB : B = INR c * (root y * root y) - INR c * eps) by (rewrite Vy; field; lra).
  unfold distance2, Rsqr in Hd.
  assert (2 * S >= INR c * (root y * root y + k * k * (root x * root x)) - 2 * (INR c * eps)).
  { rewrite K. apply Rle_ge. rewrite EA, EB in D. nra. }
  assert (0 <= INR c * ((root y - k * root x) * (root y - k * root x))) by (apply Rmult_le_pos; lra).
  nra.
Qed.

Theorem layernorm_lipschitz (x y : nat -> R) (h : R) :
  0 < root x -> 0 <= h < 1 -> distance2 y x <= INR c * Rsqr (h * root x) ->
  sqrt (distance2 (layernorm y) (layernorm x)) <= sqrt (INR c) * sqrt (2 - 2 * sqrt (1 - h * h)).
Proof.
  intros Hx Hh Hd. assert (C := c_pos). assert (G := cosine x y h Hh Hd).
  set (k := sqrt (1 - h * h)) in *.
  assert (K : k <= 1) by (unfold k; rewrite <- sqrt_1 at 2; apply sqrt_le_1_alt; nra).
  rewrite <- sqrt_mult by lra. apply sqrt_le_1_alt.
  assert (Vx := root_square x). assert (Vy := root_square y). unfold variance in Vx, Vy.
  assert (Ny : 0 <= root y) by apply sqrt_pos.
  assert (Py : 0 < root y).
  { destruct Ny as [|Z]; [easy|exfalso]. rewrite <- Z in *.
    assert (Ey : sum c (fun i => Rsqr (centred y i)) = - (INR c * eps)).
    { apply (Rmult_eq_reg_r (/ INR c)); [|apply Rinv_neq_0_compat; lra].
      replace (- (INR c * eps) * / INR c) with (- eps) by (field; lra). unfold Rdiv in Vy. lra. }
    assert (N : 0 <= sum c (fun i => Rsqr (centred y i))) by (apply sum_nonneg; intros; apply Rle_0_sqr).
    assert (E0 : eps = 0) by nra.
    assert (T := centring y x). unfold distance2 in T, Hd.
    assert (CS := cauchy_schwarz c (fun _ => 1) (centred x) (centred y) ltac:(intros; lra)).
    cbv beta in CS.
    rewrite (sum_ext c (fun i => 1 * (centred y i * centred y i)) (fun i => Rsqr (centred y i))) in CS
      by (intros; unfold Rsqr; ring).
    replace (sum c (fun i => Rsqr (centred y i))) with 0 in CS by nra.
    rewrite Rmult_0_r in CS.
    rewrite (sum_ext c (fun i => 1 * (centred x i * centred y i)) (fun i => centred x i * centred y i)) in CS
      by (intros; ring).
    set (S := sum c (fun i => centred x i * centred y i)) in *.
    assert (S = 0) by (destruct (Req_dec S 0); [easy|assert (0 < S * S) by (apply Rlt_0_sqr; easy); lra]).
    rewrite (sum_ext c (fun i => Rsqr (centred y i - centred x i))
      (fun i => Rsqr (centred y i) + (Rsqr (centred x i) + -2 * (centred x i * centred y i)))) in T
      by (intros; unfold Rsqr; ring).
    rewrite !sum_plus, sum_scale in T. fold S in T.
    assert (Ex : sum c (fun i => Rsqr (centred x i)) = INR c * (root x * root x)).
    { rewrite Vx, E0. field. lra. }
    assert (INR c * (root x * root x) <= INR c * Rsqr (h * root x)) by (unfold distance2 in *; nra).
    unfold Rsqr in H0. assert (0 < INR c * (root x * root x)) by (apply Rmult_lt_0_compat; nra).
    assert (h * h < 1) by nra. nra. }
  unfold distance2.
  rewrite (sum_ext c (fun i => Rsqr (layernorm y i - layernorm x i))
    (fun i => / (root y * root y) * Rsqr (centred y i) + (/ (root x * root x) * Rsqr (centred x i)
      + - (2 / (root x * root y)) * (centred x i * centred y i)))).
  2: { intros i _. unfold layernorm, Rsqr. field. lra. }
  rewrite !sum_plus, !sum_scale.
  set (A := sum c (fun i => Rsqr (centred x i))) in *.
  set (B := sum c (fun i => Rsqr (centred y i))) in *.
  set (S := sum c (fun i => centred x i * centred y i)) in *.
  assert (EA : A = INR c * (root x * root x) - INR c * eps) by (rewrite Vx; field; lra).
  assert (EB : B = INR c * (root y * root y) - INR c * eps) by (rewrite Vy; field; lra).
  set (r := root x) in *. set (q := root y) in *.
  assert (Pr : 0 < r * q) by now apply Rmult_lt_0_compat.
  apply Rle_trans with (2 * INR c - 2 / (r * q) * (S + INR c * eps)).
  - rewrite EA, EB. assert (0 <= INR c * eps * Rsqr (/ r - / q)).
    { apply Rmult_le_pos; [apply Rmult_le_pos; lra|apply Rle_0_sqr]. }
    unfold Rsqr in H.
    replace (2 * INR c - 2 / (r * q) * (S + INR c * eps)) with
      (/ (q * q) * (INR c * (q * q) - INR c * eps)
       + (/ (r * r) * (INR c * (r * r) - INR c * eps) + - (2 / (r * q)) * S)
       + INR c * eps * ((/ r - / q) * (/ r - / q))) by (field; lra).
    lra.
  - assert (2 / (r * q) * (INR c * (k * (r * q))) <= 2 / (r * q) * (S + INR c * eps)).
    { apply Rmult_le_compat_l; [|exact G]. left. apply Rdiv_lt_0_compat; lra. }
    replace (2 / (r * q) * (INR c * (k * (r * q)))) with (2 * INR c * k) in H by (field; lra). lra.
Qed.

(* Whatever the perturbation is: both tokens have norm at most sqrt c. *)
Lemma layernorm_norm (x : nat -> R) : 0 < root x -> sum c (fun i => Rsqr (layernorm x i)) <= INR c.
Proof.
  intros Hx. assert (C := c_pos). assert (V := root_square x). unfold variance in V.
  rewrite (sum_ext c _ (fun i => / (root x * root x) * Rsqr (centred x i)))
    by (intros; unfold layernorm, Rsqr; field; lra).
  rewrite sum_scale. set (A := sum c (fun i => Rsqr (centred x i))) in *.
  assert (P : 0 < root x * root x) by now apply Rmult_lt_0_compat.
  apply (Rmult_le_reg_l (root x * root x)); [easy|]. rewrite <- Rmult_assoc, Rinv_r, Rmult_1_l by lra.
  rewrite V. replace ((A / INR c + eps) * INR c) with (A + INR c * eps) by (field; lra).
  assert (0 <= INR c * eps) by (apply Rmult_le_pos; lra). lra.
Qed.

Theorem layernorm_always (x y : nat -> R) :
  0 < root x -> 0 < root y ->
  sqrt (distance2 (layernorm y) (layernorm x)) <= 2 * sqrt (INR c).
Proof.
  intros Hx Hy. assert (C := c_pos).
  replace (2 * sqrt (INR c)) with (sqrt (4 * INR c)).
  2: { rewrite sqrt_mult by lra. replace 4 with (2 * 2) by ring. now rewrite sqrt_square by lra. }
  apply sqrt_le_1_alt. unfold distance2.
  apply Rle_trans with (sum c (fun i => 2 * Rsqr (layernorm y i) + 2 * Rsqr (layernorm x i))).
  - apply sum_le. intros i _. assert (Q := Rle_0_sqr (layernorm y i + layernorm x i)).
    unfold Rsqr in *. lra.
  - rewrite sum_plus, !sum_scale. assert (A := layernorm_norm x Hx). assert (B := layernorm_norm y Hy).
    lra.
Qed.
End LayerNorm.
