(* Where a differentiable function is largest, and how many zeros a derivative can have. *)

From Coq Require Import Reals List Lra Lia.
From Varnum Require Import Polynomial.
Import ListNotations.
Open Scope R_scope.

(* On [l, u] the maxima of h and -h are at the ends or where h' = 0. *)
Lemma max_core (h h' : R -> R) (l u e : R) :
  l <= u -> (forall x, derivable_pt_lim h x (h' x)) ->
  h l <= e -> h u <= e -> (forall c, l < c < u -> h' c = 0 -> h c <= e) ->
  forall x, l <= x <= u -> h x <= e.
Proof.
  intros Hlu Hd Hl Hu Hc x Hx.
  destruct (continuity_ab_maj h l u Hlu) as (m & Hm & Im).
  { intros c _. apply derivable_continuous_pt. exists (h' c). apply Hd. }
  apply Rle_trans with (h m); [now apply Hm|].
  destruct (Req_dec m l) as [->|]; [easy|]. destruct (Req_dec m u) as [->|]; [easy|].
  apply Hc; [lra|].
  set (pr := exist _ (h' m) (Hd m) : derivable_pt h m).
  change (derive_pt h m pr = 0). apply (deriv_maximum h l u m pr); try lra.
  intros y H1 H2. apply Hm. lra.
Qed.

Theorem sup_core (h h' : R -> R) (l u e : R) :
  l <= u -> (forall x, derivable_pt_lim h x (h' x)) ->
  Rabs (h l) <= e -> Rabs (h u) <= e -> (forall c, l < c < u -> h' c = 0 -> Rabs (h c) <= e) ->
  forall x, l <= x <= u -> Rabs (h x) <= e.
Proof.
  intros Hlu Hd Hl Hu Hc x Hx.
  assert (A : forall y, Rabs y <= e <-> y <= e /\ - y <= e).
  { intros y. split; [|intros []; apply Rabs_le; lra].
    intros H. assert (P := Rle_abs y). assert (Q := Rle_abs (- y)). rewrite Rabs_Ropp in Q. lra. }
  apply A. split.
  - apply (max_core h h' l u); auto; try (now apply A).
    intros c Ic Zc. now apply A, Hc.
  - apply (max_core (fun y => - h y) (fun y => - h' y) l u); auto; try (now apply A).
    + intros y. now apply derivable_pt_lim_opp.
    + intros c Ic Zc. apply (A (h c)), Hc; [easy|lra].
Qed.

(* At a zero z of h' in [a, b]: h' grows at most like c (z - x), so h by half its square. *)
Lemma bracket_core (h h' h'' : R -> R) (a b z c : R) :
  a < z < b -> (forall x, derivable_pt_lim h x (h' x)) ->
  (forall x, derivable_pt_lim h' x (h'' x)) -> h' z = 0 ->
  (forall x, a <= x <= b -> Rabs (h'' x) <= c) ->
  Rabs (h z) <= Rabs (h a) + (b - a) * (b - a) / 2 * c.
Proof.
  intros Hz Hd Hd' Z Hc.
  assert (Slope : forall x, a <= x < z -> Rabs (h' x) <= c * (z - x)).
  { intros x Hx. destruct (MVT_cor2 h' h'' x z) as (t & Et & It); [lra|auto|].
    replace (h' x) with (- (h'' t * (z - x))) by lra.
    rewrite Rabs_Ropp, Rabs_mult, (Rabs_pos_eq (z - x)) by lra.
    apply Rmult_le_compat_r; [lra|apply Hc; lra]. }
  assert (Step : forall s, s = 1 \/ s = -1 -> s * (h z - h a) <= c * ((z - a) * (z - a)) / 2).
  { intros s Hs.
    set (f := fun x => s * h x + c * ((z - x) * (z - x)) / 2).
    set (f' := fun x => s * h' x - c * (z - x)).
    assert (Df : forall x, derivable_pt_lim f x (f' x)).
    { intros x. unfold f, f'.
      replace (s * h' x - c * (z - x)) with (s * h' x + c / 2 * ((0 - 1) * (z - x) + (z - x) * (0 - 1))) by field.
      assert (L : derivable_pt_lim (fun y => z - y) x (0 - 1)).
      { apply (derivable_pt_lim_minus (fct_cte z) id);
          [apply derivable_pt_lim_const|apply derivable_pt_lim_id]. }
      apply (derivable_pt_lim_ext (fun y => s * h y + c / 2 * ((z - y) * (z - y)))).
      { intros y. field. }
      apply (derivable_pt_lim_plus (fun y => s * h y) (fun y => c / 2 * ((z - y) * (z - y)))).
      - now apply (derivable_pt_lim_scal h).
      - apply (derivable_pt_lim_scal (fun y => (z - y) * (z - y))).
        now apply (derivable_pt_lim_mult (fun y => z - y) (fun y => z - y)). }
    destruct (MVT_cor2 f f' a z) as (t & Et & It); [lra|auto|].
    assert (Sl := Slope t ltac:(lra)).
    assert (f' t <= 0).
    { unfold f'. assert (P := Rle_abs (h' t)). assert (Q := Rle_abs (- h' t)).
      rewrite Rabs_Ropp in Q. destruct Hs as [->| ->]; lra. }
    assert (f z - f a <= 0) by (rewrite Et; nra).
    unfold f in H0. replace ((z - z) * (z - z)) with 0 in H0 by ring. lra. }
  assert (C : 0 <= c) by (assert (P := Rabs_pos (h'' a)); assert (Q := Hc a ltac:(lra)); lra).
  assert (W : (z - a) * (z - a) <= (b - a) * (b - a)) by (apply Rmult_le_compat; lra).
  assert (c * ((z - a) * (z - a)) / 2 <= (b - a) * (b - a) / 2 * c) by nra.
  assert (S1 := Step 1 (or_introl eq_refl)). assert (S2 := Step (-1) (or_intror eq_refl)).
  assert (A := Rle_abs (h a)). assert (B := Rle_abs (- h a)). rewrite Rabs_Ropp in B.
  apply Rabs_le. lra.
Qed.

(* Rolle, over a list. *)
Lemma rolle_list (f f' : R -> R) (xs : list R) : forall a : R,
  (forall x, derivable_pt_lim f x (f' x)) ->
  f a = 0 -> increasing a xs -> (forall x, In x xs -> f x = 0) ->
  exists ys, increasing a ys /\ length ys = length xs /\ forall y, In y ys -> f' y = 0.
Proof.
  induction xs as [|b xs IH]; intros a Hd Ha Hi Hz; [now exists []|].
  destruct Hi as [Hab Hi].
  destruct (MVT_cor2 f f' a b Hab) as (c & Ec & Ic); [auto|].
  rewrite Ha, (Hz b) in Ec by now left.
  destruct (IH b Hd) as (ys & H1 & H2 & H3); [apply Hz; now left|easy|intros; apply Hz; now right|].
  exists (c :: ys). simpl. repeat split; try tauto.
  - apply (increasing_from b); [lra|easy].
  - now rewrite H2.
  - intros y [<-|Hy]; [|auto]. apply (Rmult_eq_reg_r (b - a)); lra.
Qed.

(* P e^-x - s with n zeros, P of length n: a polynomial as long as P' - P has n - 1 of them. *)
Lemma zero_everywhere (f f' : R -> R) (q : list R) (w : R -> R) (lo : R) (zs : list R) :
  (forall x, derivable_pt_lim f x (f' x)) -> (forall x, f' x = peval q x * w x) ->
  (forall x, w x <> 0) -> (length q < length zs)%nat ->
  increasing lo zs -> (forall z, In z zs -> f z = 0) -> forall x, f x = 0.
Proof.
  intros Hd Hf Hw Hl Hi Hz x.
  destruct zs as [|a zs]; [simpl in Hl; lia|]. destruct Hi as [_ Hi].
  destruct (rolle_list f f' zs a Hd) as (ys & H1 & H2 & H3);
    [apply Hz; now left|easy|intros; apply Hz; now right|].
  assert (Q : forall y, peval q y = 0).
  { apply (root_bound ys q a H1); [simpl in Hl; lia|].
    intros y Hy. apply H3 in Hy. rewrite Hf in Hy.
    destruct (Rmult_integral _ _ Hy); [easy|now destruct (Hw y)]. }
  assert (F : forall y, f' y = 0) by (intros y; rewrite Hf, Q; ring).
  assert (Ha : f a = 0) by (apply Hz; now left).
  destruct (Rtotal_order a x) as [L|[<-|L]]; [|easy|].
  - destruct (MVT_cor2 f f' a x L) as (c & E & _); [auto|]. rewrite F in E. lra.
  - destruct (MVT_cor2 f f' x a L) as (c & E & _); [auto|]. rewrite F in E. lra.
Qed.

(* Disjoint brackets in order, each with a change of sign of D. *)
Fixpoint brackets_from (D : R -> R) (lo hi : R) (bs : list (R * R)) : Prop :=
  match bs with
  | [] => lo <= hi
  | (a, b) :: rest => lo <= a < b /\ D a * D b < 0 /\ brackets_from D b hi rest
  end.

Lemma bracket_zero (D : R -> R) (a b : R) :
  continuity D -> a < b -> D a * D b < 0 -> exists z, a < z < b /\ D z = 0.
Proof.
  intros Hc Hab H. destruct (IVT_cor D a b Hc) as (z & Iz & Z); [lra|lra|].
  exists z. split; [|easy].
  assert (z <> a) by (intros ->; rewrite Z in H; lra).
  assert (z <> b) by (intros ->; rewrite Z in H; lra). lra.
Qed.

Lemma brackets_zeros (D : R -> R) (hi : R) (bs : list (R * R)) : forall lo,
  continuity D -> brackets_from D lo hi bs ->
  exists zs, increasing lo zs /\ length zs = length bs /\
    (forall z, In z zs -> D z = 0 /\ exists ab, In ab bs /\ fst ab < z < snd ab).
Proof.
  induction bs as [|[a b] bs IH]; intros lo Hc H; [now exists []|].
  destruct H as (Hab & Hs & H).
  destruct (bracket_zero D a b Hc) as (z & Iz & Z); [lra|easy|].
  destruct (IH b Hc H) as (zs & H1 & H2 & H3).
  exists (z :: zs). simpl. repeat split; try tauto; try lra.
  - apply (increasing_from b); [lra|easy].
  - now rewrite H2.
  - destruct H0 as [<-|H0]; [easy|now apply H3].
  - destruct H0 as [<-|H0]; [now exists (a, b); auto|].
    destruct (H3 z0 H0) as (_ & ab & I & L). exists ab. auto.
Qed.

(* If D with one zero more than there are brackets vanishes everywhere, every zero is bracketed. *)
Theorem bracketed (D : R -> R) (l u : R) (bs : list (R * R)) :
  continuity D -> brackets_from D l u bs -> D l <> 0 ->
  (forall zs, increasing l zs -> length zs = S (length bs) ->
     (forall z, In z zs -> D z = 0) -> D l = 0) ->
  forall c, l < c < u -> D c = 0 -> exists ab, In ab bs /\ fst ab < c < snd ab.
Proof.
  intros Hc Hb Hl Hn c Ic Z.
  destruct (brackets_zeros D u bs l Hc Hb) as (zs & H1 & H2 & H3).
  destruct (in_dec Req_EM_T c zs) as [I|N]; [now apply H3|].
  destruct (insert l c zs H1) as (ys & G1 & G2 & G3); [lra|easy|].
  destruct Hl. apply (Hn ys); [easy|congruence|].
  intros y Hy. destruct (G3 y Hy) as [->|I]; [easy|now apply H3].
Qed.
