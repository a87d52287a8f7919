(* What a certificate holds, a check of it in interval arithmetic, and why the check is right. *)

From Interval Require Import Interval.Interval Interval.Float_full Float.Basic Float.Sig Real.Xreal.
From Coq Require Import Reals QArith Qreals ZArith List Bool Lra Lia.
From Varnum Require Import Polynomial Supremum Statement Error.
Import ListNotations.
Open Scope R_scope.

(* P(x) = sum_k numerators[k] x^k / unit; brackets and points are over one denominator each.
   The precisions decide whether the check succeeds, never whether it is right. *)
Record certificate := {
  low : Q;
  high : Q;
  eps : Q;
  unit : positive;
  numerators : list Z;
  bracket_unit : positive;
  brackets : list (Z * Z);  (* one for each zero of the error's derivative *)
  point_unit : positive;
  points : list Z;
  bits_main : positive;  (* for P and its derivative *)
  bits_exp : positive;
  bits_curve : positive;
  bits_low : positive  (* for the points *)
}.

(* Integer polynomials over a common denominator. *)
Definition ratio (d : positive) (n : Z) : R := IZR n / IZR (Zpos d).
Definition over_unit (d : positive) (N : list Z) : list R := map (ratio d) N.

Fixpoint zfrom (k : Z) (N : list Z) : list Z :=
  match N with
  | [] => []
  | n :: rest => (k * n)%Z :: zfrom (k + 1) rest
  end.

Definition zderivative (N : list Z) : list Z := zfrom 1 (tl N).

Fixpoint zminus (A B : list Z) : list Z :=
  match A, B with
  | [], _ => map Z.opp B
  | _, [] => A
  | a :: A', b :: B' => (a - b)%Z :: zminus A' B'
  end.

Definition zslope (kind : error) (N : list Z) : list Z :=
  match kind with relative => zminus (zderivative N) N | additive => zderivative N end.
Definition zcurve (kind : error) (N : list Z) : list Z :=
  let S := zslope kind N in
  match kind with relative => zminus (zderivative S) S | additive => zderivative S end.

Lemma pos_nonzero (d : positive) : IZR (Zpos d) <> 0.
Proof. apply IZR_neq. easy. Qed.

Lemma over_minus (d : positive) (A : list Z) : forall B,
  over_unit d (zminus A B) = minus (over_unit d A) (over_unit d B).
Proof.
  assert (Op : forall B, map (ratio d) (map Z.opp B) = map Ropp (map (ratio d) B)).
  { induction B as [|b B IH]; simpl; [easy|]. rewrite IH. f_equal. unfold ratio.
    rewrite opp_IZR. field. apply pos_nonzero. }
  unfold over_unit. induction A as [|a A IH]; intros [|b B]; simpl; try easy.
  - f_equal; [|apply Op]. unfold ratio. rewrite opp_IZR. field. apply pos_nonzero.
  - rewrite IH. f_equal. unfold ratio. rewrite minus_IZR. field. apply pos_nonzero.
Qed.

Lemma over_from (d : positive) (N : list Z) : forall k,
  over_unit d (zfrom k N) = from (IZR k) (over_unit d N).
Proof.
  unfold over_unit. induction N as [|n N IH]; intros k; simpl; [easy|].
  rewrite IH, plus_IZR. f_equal. unfold ratio. rewrite mult_IZR. field. apply pos_nonzero.
Qed.

Lemma over_derivative (d : positive) (N : list Z) :
  over_unit d (zderivative N) = derivative (over_unit d N).
Proof. unfold zderivative, derivative. rewrite over_from. now destruct N. Qed.

Lemma over_slope (kind : error) (d : positive) (N : list Z) :
  over_unit d (zslope kind N) = slope_of kind (over_unit d N).
Proof. destruct kind; simpl; now rewrite ?over_minus, ?over_derivative. Qed.

Lemma over_curve (kind : error) (d : positive) (N : list Z) :
  over_unit d (zcurve kind N) = curve_of kind (over_unit d N).
Proof.
  unfold zcurve, curve_of. rewrite <- over_slope. destruct kind; now rewrite ?over_minus, ?over_derivative.
Qed.

(* What is computed, in any interval arithmetic on floating-point numbers. *)
Module Check (F : FloatOps with Definition sensible_format := true).
Module I := FloatIntervalFull F.

Definition has (xi : I.type) (x : R) : Prop := contains (I.convert xi) (Xreal x).

Section Precision.
Variable p : F.precision.

Definition int (n : Z) : I.type := I.fromZ p n.
Definition rat (q : Q) : I.type := I.div p (int (Qnum q)) (int (Zpos (Qden q))).
Definition scaled (d : positive) : Z -> I.type :=
  let s := I.div p (int 1) (int (Zpos d)) in fun n => I.mul p (int n) s.

Fixpoint horner (cs : list I.type) (x : I.type) : I.type :=
  match cs with
  | [] => I.zero
  | c :: rest => I.add p c (I.mul p x (horner rest x))
  end.

Definition le (x y : I.type) : bool :=
  match I.sign_large (I.sub p y x) with Xeq | Xgt => true | _ => false end.
Definition lt (x y : I.type) : bool :=
  match I.sign_strict (I.sub p y x) with Xgt => true | _ => false end.

Fixpoint prod_diff_i (x : I.type) (ys : list I.type) : I.type :=
  match ys with
  | [] => int 1
  | y :: rest => I.mul p (I.sub p x y) (prod_diff_i x rest)
  end.

Fixpoint times_diff_i (x : I.type) (ys gs : list I.type) : list I.type :=
  match ys, gs with
  | y :: ys', g :: gs' => I.mul p (I.sub p y x) g :: times_diff_i x ys' gs'
  | _, _ => []
  end.

Fixpoint gaps_i (xs : list I.type) : list I.type :=
  match xs with
  | [] => []
  | x :: rest => prod_diff_i x rest :: times_diff_i x rest (gaps_i rest)
  end.

Fixpoint over_i (vs gs : list I.type) : I.type :=
  match vs, gs with
  | v :: vs', g :: gs' => I.add p (I.div p v g) (over_i vs' gs')
  | _, _ => I.zero
  end.

Fixpoint inside (lo hi : I.type) (xs : list I.type) : bool :=
  match xs with
  | [] => le lo hi
  | x :: rest => lt lo x && inside x hi rest
  end.
End Precision.

Definition nonzero (x : I.type) : bool :=
  match I.sign_strict x with Xlt | Xgt => true | _ => false end.
Definition opposite (x y : I.type) : bool :=
  match I.sign_strict x, I.sign_strict y with Xlt, Xgt | Xgt, Xlt => true | _, _ => false end.

Section Checks.
Variables (kind : error) (c : certificate).

Definition p := F.PtoP (bits_main c).
Definition pe := F.PtoP (bits_exp c).
Definition pc := F.PtoP (bits_curve c).
Definition pl := F.PtoP (bits_low c).

(* h at a point, where cs are P's coefficients; the sign of h' there, where ds are its slope's. *)
Definition error_at (cs : list I.type) (x : I.type) : I.type :=
  match kind with
  | relative => I.abs (I.sub p (I.mul p (horner p cs x) (I.exp pe (I.neg x))) (int p 1))
  | additive => I.abs (I.sub p (horner p cs x) (I.exp pe x))
  end.

Definition slope_at (ds : list I.type) (x : I.type) : I.type :=
  match kind with
  | relative => horner p ds x
  | additive => I.sub p (horner p ds x) (I.exp pe x)
  end.

Definition curve_on (x : I.type) : I.type :=
  let s := horner pc (map (scaled pc (unit c)) (zcurve kind (numerators c))) x in
  match kind with
  | relative => I.abs (I.mul pc s (I.exp pc (I.neg x)))
  | additive => I.abs (I.sub pc s (I.exp pc x))
  end.

Fixpoint check_brackets (cs ds : list I.type) (curve e : I.type) (at_ : Z -> I.type)
  (lo hi : I.type) (bs : list (Z * Z)) : bool :=
  match bs with
  | [] => le p lo hi
  | (a, b) :: rest =>
    let x := at_ a in
    let y := at_ b in
    let w := I.sub p y x in
    le p lo x && lt p x y && opposite (slope_at ds x) (slope_at ds y)
    && le p (I.add p (error_at cs x) (I.mul p (I.mul p w w) curve)) e
    && check_brackets cs ds curve e at_ y hi rest
  end.

Definition check_upper : bool :=
  let l := rat p (low c) in
  let u := rat p (high c) in
  let e := rat p (eps c) in
  let cs := map (scaled p (unit c)) (numerators c) in
  let ds := map (scaled p (unit c)) (zslope kind (numerators c)) in
  let curve := I.mul pc (rat pc (1 # 2)) (curve_on (I.join (rat pc (low c)) (rat pc (high c)))) in
  Nat.eqb (length (numerators c)) (S (length (brackets c)))
  && le p l u && nonzero (slope_at ds l) && le p (error_at cs l) e && le p (error_at cs u) e
  && check_brackets cs ds curve e (scaled p (bracket_unit c)) l u (brackets c).

Definition check_lower : bool :=
  let xs := map (scaled pl (point_unit c)) (points c) in
  let gs := gaps_i pl xs in
  let es := map (I.exp pl) xs in
  let ws := match kind with relative => es | additive => map (fun _ => int pl 1) es end in
  match xs with
  | [] => false
  | x :: rest => le pl (rat pl (low c)) x && inside pl x (rat pl (high c)) rest
  end
  && lt pl (I.mul pl (rat pl (eps c)) (over_i pl ws (map I.abs gs))) (I.abs (over_i pl es gs)).
End Checks.

(* Soundness. *)
Lemma has_int (p : F.precision) (n : Z) : has (int p n) (IZR n).
Proof. apply I.fromZ_correct. Qed.

Lemma has_add (p : F.precision) (x y : I.type) (a b : R) :
  has x a -> has y b -> has (I.add p x y) (a + b).
Proof. apply (I.add_correct p x y (Xreal a) (Xreal b)). Qed.

Lemma has_sub (p : F.precision) (x y : I.type) (a b : R) :
  has x a -> has y b -> has (I.sub p x y) (a - b).
Proof. apply (I.sub_correct p x y (Xreal a) (Xreal b)). Qed.

Lemma has_mul (p : F.precision) (x y : I.type) (a b : R) :
  has x a -> has y b -> has (I.mul p x y) (a * b).
Proof. apply (I.mul_correct p x y (Xreal a) (Xreal b)). Qed.

Lemma has_div (p : F.precision) (x y : I.type) (a b : R) :
  b <> 0 -> has x a -> has y b -> has (I.div p x y) (a / b).
Proof.
  intros Hb Hx Hy. assert (C := I.div_correct p x y (Xreal a) (Xreal b) Hx Hy).
  simpl in C. unfold Xdiv' in C. now rewrite is_zero_false in C.
Qed.

Lemma has_neg (x : I.type) (a : R) : has x a -> has (I.neg x) (- a).
Proof. apply (I.neg_correct x (Xreal a)). Qed.

Lemma has_abs (x : I.type) (a : R) : has x a -> has (I.abs x) (Rabs a).
Proof. apply (I.abs_correct x (Xreal a)). Qed.

Lemma has_exp (p : F.precision) (x : I.type) (a : R) : has x a -> has (I.exp p x) (exp a).
Proof. apply (I.exp_correct p x (Xreal a)). Qed.

Lemma has_zero : has I.zero 0.
Proof. unfold has. rewrite I.zero_correct. simpl. lra. Qed.

Lemma has_between (x y : I.type) (a b t : R) : has x a -> has y b -> a <= t <= b -> has (I.join x y) t.
Proof.
  intros Ha Hb Ht. unfold has.
  assert (A := I.join_correct x y (Xreal a) (or_introl Ha)).
  assert (B := I.join_correct x y (Xreal b) (or_intror Hb)).
  destruct (I.convert (I.join x y)) as [|[|lo] [|hi]]; simpl in *; lra.
Qed.

Lemma has_rat (p : F.precision) (q : Q) : has (rat p q) (frac q).
Proof. rewrite frac_ratio. apply has_div; [apply pos_nonzero|apply has_int..]. Qed.

Lemma has_scaled (p : F.precision) (d : positive) (n : Z) : has (scaled p d n) (ratio d n).
Proof.
  unfold scaled, ratio. replace (IZR n / IZR (Zpos d)) with (IZR n * (1 / IZR (Zpos d))).
  - apply has_mul; [apply has_int|]. apply has_div; [apply pos_nonzero|apply has_int..].
  - field. apply pos_nonzero.
Qed.

Lemma has_horner (p : F.precision) (d : positive) (N : list Z) (x : I.type) (a : R) :
  has x a -> has (horner p (map (scaled p d) N) x) (peval (over_unit d N) a).
Proof.
  intros Hx. unfold over_unit. induction N as [|n N IH]; simpl; [apply has_zero|].
  apply has_add; [apply has_scaled|now apply has_mul].
Qed.

Lemma le_true (p : F.precision) (x y : I.type) (a b : R) :
  has x a -> has y b -> le p x y = true -> a <= b.
Proof.
  intros Hx Hy. unfold le. assert (H := I.sign_large_correct (I.sub p y x)).
  assert (S := has_sub p y x b a Hy Hx).
  destruct (I.sign_large _); try easy; intros _; specialize (H _ S).
  - injection H. lra.
  - simpl in H. lra.
Qed.

Lemma lt_true (p : F.precision) (x y : I.type) (a b : R) :
  has x a -> has y b -> lt p x y = true -> a < b.
Proof.
  intros Hx Hy. unfold lt. assert (H := I.sign_strict_correct (I.sub p y x)).
  assert (S := has_sub p y x b a Hy Hx).
  destruct (I.sign_strict _); try easy; intros _; specialize (H _ S). simpl in H. lra.
Qed.

Lemma nonzero_true (x : I.type) (a : R) : has x a -> nonzero x = true -> a <> 0.
Proof.
  intros Hx. unfold nonzero. assert (H := I.sign_strict_correct x).
  destruct (I.sign_strict x); try easy; intros _; specialize (H _ Hx); simpl in H; lra.
Qed.

Lemma opposite_true (x y : I.type) (a b : R) :
  has x a -> has y b -> opposite x y = true -> a * b < 0.
Proof.
  intros Hx Hy. unfold opposite.
  assert (P := I.sign_strict_correct x). assert (Q := I.sign_strict_correct y).
  destruct (I.sign_strict x); try easy; destruct (I.sign_strict y); try easy; intros _;
    specialize (P _ Hx); specialize (Q _ Hy); simpl in *; nra.
Qed.

Section Sound.
Variables (kind : error) (c : certificate).

Let cs := map (scaled (p c) (unit c)) (numerators c).
Let ds := map (scaled (p c) (unit c)) (zslope kind (numerators c)).
Let P := over_unit (unit c) (numerators c).
Let P_error := h kind P.
Let P_slope := D kind P.

Lemma has_error (x : I.type) (a : R) :
  has x a -> has (error_at kind c cs x) (Rabs (P_error a)).
Proof.
  intros Hx. unfold error_at, P_error, h, off. destruct kind; apply has_abs, has_sub.
  - apply has_mul; [now apply has_horner|now apply has_exp, has_neg].
  - apply has_int.
  - now apply has_horner.
  - now apply has_exp.
Qed.

Lemma has_slope (x : I.type) (a : R) : has x a -> has (slope_at kind c ds x) (P_slope a).
Proof.
  intros Hx. assert (E := over_slope kind (unit c) (numerators c)). fold P in E.
  unfold slope_at, P_slope, D. destruct kind; rewrite <- E; [now apply has_horner|].
  apply has_sub; [now apply has_horner|now apply has_exp].
Qed.

Lemma has_curve (x : I.type) (a : R) :
  has x a -> has (curve_on kind c x) (Rabs (h2 kind P a)).
Proof.
  intros Hx. assert (E := over_curve kind (unit c) (numerators c)). fold P in E.
  unfold curve_on, h2. destruct kind; rewrite <- E; apply has_abs.
  - apply has_mul; [now apply has_horner|now apply has_exp, has_neg].
  - apply has_sub; [now apply has_horner|now apply has_exp].
Qed.

Lemma brackets_true (curve e hi : I.type) (vc ve u : R) (bs : list (Z * Z)) : forall lo l,
  has e ve -> has hi u -> has lo l -> has curve vc ->
  check_brackets kind c cs ds curve e (scaled (p c) (bracket_unit c)) lo hi bs = true ->
  let rs := map (fun ab => (ratio (bracket_unit c) (fst ab), ratio (bracket_unit c) (snd ab))) bs in
  brackets_from P_slope l u rs
  /\ l <= u
  /\ forall a b, In (a, b) rs ->
     l <= a /\ b <= u /\ Rabs (P_error a) + (b - a) * (b - a) * vc <= ve.
Proof.
  induction bs as [|[a b] bs IH]; intros lo l He Hhi Hlo Hvc; cbn [map check_brackets fst snd].
  - intros H. apply (le_true _ _ _ l u) in H; auto. simpl. repeat split; easy.
  - rewrite !andb_true_iff. intros ((((H1 & H2) & H3) & H4) & H5).
    assert (Ha := has_scaled (p c) (bracket_unit c) a).
    assert (Hb := has_scaled (p c) (bracket_unit c) b).
    apply (le_true _ _ _ _ _ Hlo Ha) in H1. apply (lt_true _ _ _ _ _ Ha Hb) in H2.
    apply (opposite_true _ _ _ _ (has_slope _ _ Ha) (has_slope _ _ Hb)) in H3.
    apply (IH _ _ He Hhi Hb Hvc) in H5. simpl in H5. destruct H5 as (G1 & G2 & G3).
    refine (conj (conj (conj H1 H2) (conj H3 G1)) (conj _ _)); [lra|].
    intros x y [[= <- <-]|I].
    + repeat split; try lra.
      eapply le_true; [|exact He|exact H4]. apply has_add; [now apply has_error|].
      apply has_mul; [|exact Hvc]. apply has_mul; now apply has_sub.
    + destruct (G3 x y I) as (K1 & K2 & K3). repeat split; try easy; lra.
Qed.

(* |h''| takes its largest value somewhere, and the curve holds all its values. *)
Lemma curve_top (l u : R) (xl xu : I.type) :
  l <= u -> has xl l -> has xu u ->
  exists v, has (curve_on kind c (I.join xl xu)) v
    /\ forall x, l <= x <= u -> Rabs (h2 kind P x) <= v.
Proof.
  intros Hlu Hl Hu. set (f := h2 kind P).
  destruct (continuity_ab_maj (comp Rabs f) l u Hlu) as (m & Hm & Im).
  { intros x _. apply continuity_pt_comp; [apply h2_continuous|apply Rcontinuity_abs]. }
  exists (Rabs (f m)). split; [|exact Hm]. apply has_curve. now apply (has_between xl xu l u).
Qed.

Theorem upper_error :
  check_upper kind c = true ->
  forall x, frac (low c) <= x <= frac (high c) -> Rabs (P_error x) <= frac (eps c).
Proof.
  unfold check_upper. fold cs ds. rewrite !andb_true_iff.
  intros (((((H1 & H2) & H3) & H4) & H5) & H6).
  apply Nat.eqb_eq in H1.
  assert (Hl := has_rat (p c) (low c)). assert (Hu := has_rat (p c) (high c)).
  assert (He := has_rat (p c) (eps c)).
  apply (le_true _ _ _ _ _ Hl Hu) in H2. apply (nonzero_true _ _ (has_slope _ _ Hl)) in H3.
  apply (le_true _ _ _ _ _ (has_error _ _ Hl) He) in H4.
  apply (le_true _ _ _ _ _ (has_error _ _ Hu) He) in H5.
  destruct (curve_top _ _ _ _ H2 (has_rat (pc c) (low c)) (has_rat (pc c) (high c)))
    as (v & Hv & Top).
  apply (brackets_true _ _ _ _ _ _ _ _ _ He Hu Hl (has_mul (pc c) _ _ _ _ (has_rat _ (1 # 2)) Hv))
    in H6.
  destruct H6 as (G1 & _ & G3).
  eapply error_bound; [|exact G1|easy|exact H3|exact H4|exact H5|exact Top|].
  - unfold P, over_unit. now rewrite !map_length.
  - intros a b I. destruct (G3 a b I) as (K1 & K2 & K3). repeat split; try easy.
    replace ((b - a) * (b - a) / 2 * v) with ((b - a) * (b - a) * (1 / 2 * v)) by field. exact K3.
Qed.

Lemma inside_true (q : F.precision) (hi : I.type) (u : R) (ns : list Z) : forall lo l,
  has lo l -> has hi u -> inside q lo hi (map (scaled q (point_unit c)) ns) = true ->
  let xs := map (ratio (point_unit c)) ns in
  increasing l xs /\ l <= u /\ forall x, In x xs -> l < x <= u.
Proof.
  induction ns as [|n ns IH]; intros lo l Hlo Hhi; cbn [map inside].
  - intros H. apply (le_true _ _ _ l u) in H; auto. now split.
  - rewrite andb_true_iff. intros [H1 H2].
    assert (Hn := has_scaled q (point_unit c) n). apply (lt_true _ _ _ _ _ Hlo Hn) in H1.
    destruct (IH _ _ Hn Hhi H2) as (G1 & G2 & G3).
    refine (conj (conj H1 G1) (conj _ _)); [lra|].
    intros x [<-|I]; [lra|]. apply G3 in I. lra.
Qed.

Definition hold (xis : list I.type) (xs : list R) : Prop := Forall2 has xis xs.

Lemma hold_points (q : F.precision) (ns : list Z) :
  hold (map (scaled q (point_unit c)) ns) (map (ratio (point_unit c)) ns).
Proof. induction ns; constructor; [apply has_scaled|easy]. Qed.

Lemma hold_map (f : I.type -> I.type) (g : R -> R) (xis : list I.type) (xs : list R) :
  (forall x a, has x a -> has (f x) (g a)) -> hold xis xs -> hold (map f xis) (map g xs).
Proof. intros H. induction 1; constructor; auto. Qed.

Lemma has_prod_diff (q : F.precision) (x : I.type) (a : R) (yis : list I.type) (ys : list R) :
  has x a -> hold yis ys -> has (prod_diff_i q x yis) (prod_diff a ys).
Proof.
  intros Hx. induction 1; simpl; [apply has_int|]. apply has_mul; [now apply has_sub|easy].
Qed.

Lemma hold_times_diff (q : F.precision) (x : I.type) (a : R) (yis gis : list I.type) (ys gs : list R) :
  has x a -> hold yis ys -> hold gis gs -> hold (times_diff_i q x yis gis) (times_diff a ys gs).
Proof.
  intros Hx H. revert gis gs. induction H; intros gis gs G; [constructor|].
  destruct G; [constructor|]. simpl. constructor; [|now apply IHForall2].
  apply has_mul; [now apply has_sub|easy].
Qed.

Lemma hold_gaps (q : F.precision) (xis : list I.type) (xs : list R) :
  hold xis xs -> hold (gaps_i q xis) (gaps xs).
Proof.
  induction 1; simpl; constructor; [now apply has_prod_diff|now apply hold_times_diff].
Qed.

Lemma has_over (q : F.precision) (f : R -> R) (vis gis : list I.type) (xs gs : list R) :
  hold vis (map f xs) -> hold gis gs -> (forall g, In g gs -> g <> 0) ->
  has (over_i q vis gis) (over f xs gs).
Proof.
  revert gis gs vis. induction xs as [|x xs IH]; intros gis gs vis Hv Hg Hn.
  - inversion Hv. apply has_zero.
  - destruct vis as [|v vis]; [inversion Hv|].
    assert (H1 : has v (f x) /\ hold vis (map f xs)) by (now inversion Hv). destruct H1 as [H1 H2].
    destruct Hg as [|g gx gis gs K1 K2]; [apply has_zero|].
    simpl. apply has_add.
    + apply has_div; [apply Hn; now left|easy|easy].
    + apply IH; [easy|easy|intros; apply Hn; now right].
Qed.

Definition weight (x : R) : R := match kind with relative => exp x | additive => 1 end.

Lemma lower_points :
  check_lower kind c = true ->
  forall q : list R, (length q < length (points c))%nat ->
  exists x, frac (low c) <= x <= frac (high c) /\ frac (eps c) * weight x < Rabs (exp x - peval q x).
Proof.
  unfold check_lower. intros H q Hq.
  set (xis := map (scaled (pl c) (point_unit c)) (points c)) in *.
  set (xs := map (ratio (point_unit c)) (points c)).
  assert (Hx : hold xis xs) by apply hold_points.
  apply andb_true_iff in H. destruct H as [H1 H2].
  assert (E : exists lo, increasing lo xs
    /\ forall x, In x xs -> frac (low c) <= x <= frac (high c)).
  { unfold xis, xs in *. clear Hx H2. destruct (points c) as [|n ns]; [simpl in H1; easy|].
    apply andb_true_iff in H1. destruct H1 as [H1 H2].
    assert (Hn := has_scaled (pl c) (point_unit c) n).
    apply (le_true _ _ _ _ _ (has_rat (pl c) (low c)) Hn) in H1.
    destruct (inside_true _ _ _ _ _ _ Hn (has_rat (pl c) (high c)) H2) as (G1 & G2 & G3).
    exists (ratio (point_unit c) n - 1). split; [split; [lra|easy]|].
    intros x [<-|I]; [simpl; lra|]. apply G3 in I. lra. }
  destruct E as (lo & Hi & Hin).
  assert (Hg := hold_gaps (pl c) _ _ Hx).
  assert (Nz := gaps_nonzero xs lo Hi).
  assert (He := hold_map _ _ _ _ (has_exp (pl c)) Hx).
  destruct (points_exclude exp weight (frac (eps c)) lo xs q Hi) as (x & I & B).
  - unfold xs. now rewrite map_length.
  - eapply lt_true; [| |exact H2].
    + apply has_mul; [apply has_rat|]. apply has_over.
      * unfold weight. destruct kind; [exact He|].
        rewrite <- (map_map exp (fun _ => 1)). apply hold_map; [intros; apply has_int|exact He].
      * apply hold_map; [apply has_abs|exact Hg].
      * intros g Ig. apply in_map_iff in Ig. destruct Ig as (k & <- & Ik).
        apply Rabs_no_R0. now apply Nz.
    + apply has_abs, has_over; assumption.
  - exists x. auto.
Qed.
End Sound.

(* What a file states. *)
Lemma Pol_ratio (d : positive) (N : list Z) (x : R) : Pol (map (fun n => n # d)%Q N) x = peval (over_unit d N) x.
Proof. unfold Pol, over_unit. rewrite map_map. reflexivity. Qed.

Theorem upper_sound (kind : error) (c : certificate) :
  check_upper kind c = true ->
  exists p : list Q, length p = length (numerators c) /\
    forall x : R, frac (low c) <= x <= frac (high c) -> Rabs (off kind (Pol p x) x) <= frac (eps c).
Proof.
  intros H. exists (map (fun n => n # unit c)%Q (numerators c)). split; [apply map_length|].
  intros x Hx. rewrite Pol_ratio. now apply (upper_error kind c H).
Qed.

Theorem lower_sound (kind : error) (c : certificate) :
  check_lower kind c = true ->
  forall q : list R, (length q < length (points c))%nat ->
  exists x : R, frac (low c) <= x <= frac (high c) /\ Rabs (off kind (peval q x) x) > frac (eps c).
Proof.
  intros H q Hq. destruct (lower_points kind c H q Hq) as (x & Ix & B).
  exists x. split; [easy|]. unfold off, weight in *. destruct kind.
  - assert (P := exp_pos (- x)).
    replace (peval q x * exp (- x) - 1) with ((peval q x - exp x) * exp (- x)).
    + rewrite Rabs_mult, (Rabs_pos_eq (exp (- x))), Rabs_minus_sym by lra.
      apply Rlt_gt. apply Rmult_lt_reg_r with (exp x); [apply exp_pos|].
      rewrite Rmult_assoc, <- exp_plus. replace (- x + x) with 0 by ring. rewrite exp_0. lra.
    + rewrite Rmult_minus_distr_r, <- exp_plus. replace (x + - x) with 0 by ring.
      now rewrite exp_0.
  - rewrite Rabs_minus_sym. lra.
Qed.
End Check.
