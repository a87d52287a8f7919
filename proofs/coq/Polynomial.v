(* Real polynomials as lists of coefficients, constant term first.

   A polynomial of length n with n different zeros vanishes everywhere; and the
   divided difference over n points kills every polynomial shorter than n. *)

From Coq Require Import Reals List Lra Lia.
Import ListNotations.
Open Scope R_scope.

Fixpoint peval (p : list R) (x : R) : R :=
  match p with
  | [] => 0
  | c :: q => c + x * peval q x
  end.

(* lo < x_1 < x_2 < .. *)
Fixpoint increasing (lo : R) (xs : list R) : Prop :=
  match xs with
  | [] => True
  | x :: rest => lo < x /\ increasing x rest
  end.

Lemma increasing_from (lo lo' : R) (xs : list R) :
  lo' <= lo -> increasing lo xs -> increasing lo' xs.
Proof. destruct xs as [|x xs]; simpl; [easy|]. intros H [H1 H2]. split; [lra|easy]. Qed.

Lemma increasing_above (lo : R) (xs : list R) (x : R) : increasing lo xs -> In x xs -> lo < x.
Proof.
  revert lo. induction xs as [|y ys IH]; simpl; [easy|].
  intros lo [H1 H2] [->|H]; [easy|]. specialize (IH y H2 H). lra.
Qed.

(* Another point takes its place. *)
Lemma insert (lo x : R) (xs : list R) :
  increasing lo xs -> lo < x -> ~ In x xs ->
  exists ys, increasing lo ys /\ length ys = S (length xs)
             /\ forall y, In y ys -> y = x \/ In y xs.
Proof.
  revert lo. induction xs as [|a xs IH]; intros lo H Hx Hn.
  - exists [x]. simpl. repeat split; auto. intros y [->|[]]; auto.
  - destruct H as [Ha H]. destruct (Rlt_le_dec x a) as [L|L].
    + exists (x :: a :: xs). simpl. repeat split; auto.
      intros y [->|[->|Hy]]; auto.
    + assert (a < x) by (destruct (Req_dec x a) as [->|]; [destruct Hn; now left|lra]).
      destruct (IH a H) as (ys & H1 & H2 & H3); [easy| |].
      { intros C. apply Hn. now right. }
      exists (a :: ys). simpl. repeat split; auto.
      intros y [->|Hy]; auto. destruct (H3 y Hy); auto.
Qed.

(* p(x) = p(r) + (x - r) s(x), s one shorter than p. *)
Fixpoint quotient (p : list R) (r : R) : list R :=
  match p with
  | [] => []
  | _ :: q => match q with [] => [] | _ => peval q r :: quotient q r end
  end.

Lemma divide (p : list R) (r x : R) :
  peval p x = peval p r + (x - r) * peval (quotient p r) x.
Proof.
  induction p as [|c [|d q] IH]; try (simpl; ring).
  change (peval (quotient (c :: d :: q) r) x)
    with (peval (d :: q) r + x * peval (quotient (d :: q) r) x).
  change (peval (c :: d :: q) x) with (c + x * peval (d :: q) x).
  change (peval (c :: d :: q) r) with (c + r * peval (d :: q) r).
  rewrite IH. ring.
Qed.

Lemma quotient_length (p : list R) (r : R) : length (quotient p r) = pred (length p).
Proof. induction p as [|c [|d q] IH]; try easy. simpl. simpl in IH. now rewrite IH. Qed.

Theorem root_bound (zs : list R) : forall (p : list R) (lo : R),
  increasing lo zs -> (length p <= length zs)%nat -> (forall z, In z zs -> peval p z = 0) ->
  forall x, peval p x = 0.
Proof.
  induction zs as [|z zs IH]; intros p lo Hi Hl Hz x.
  - destruct p; [easy|simpl in Hl; lia].
  - destruct Hi as [_ Hi]. rewrite (divide p z x), (Hz z) by now left.
    rewrite (IH (quotient p z) z); [ring|easy|rewrite quotient_length; simpl in Hl; lia|].
    intros w Hw. assert (z < w) by now apply (increasing_above z zs).
    assert (E := divide p z w). rewrite (Hz z), (Hz w) in E by (simpl; auto).
    apply (Rmult_eq_reg_l (w - z)); lra.
Qed.

(* W x ys = prod (x - y), and for each point the product of its differences to the others. *)
Fixpoint prod_diff (x : R) (ys : list R) : R :=
  match ys with
  | [] => 1
  | y :: rest => (x - y) * prod_diff x rest
  end.

Fixpoint times_diff (x : R) (ys gs : list R) : list R :=
  match ys, gs with
  | y :: ys', g :: gs' => (y - x) * g :: times_diff x ys' gs'
  | _, _ => []
  end.

Fixpoint gaps (xs : list R) : list R :=
  match xs with
  | [] => []
  | x :: rest => prod_diff x rest :: times_diff x rest (gaps rest)
  end.

(* sum f(x_i) / g_i *)
Fixpoint over (f : R -> R) (xs gs : list R) : R :=
  match xs, gs with
  | x :: xs', g :: gs' => f x / g + over f xs' gs'
  | _, _ => 0
  end.

Lemma times_diff_length (x : R) (ys gs : list R) :
  length gs = length ys -> length (times_diff x ys gs) = length ys.
Proof.
  revert gs. induction ys as [|y ys IH]; intros [|g gs]; simpl; try easy.
  intros [= H]. now rewrite IH.
Qed.

Lemma gaps_length (xs : list R) : length (gaps xs) = length xs.
Proof.
  induction xs as [|x xs IH]; [easy|]. simpl. now rewrite times_diff_length by (now rewrite IH).
Qed.

Lemma prod_diff_nonzero (x : R) (ys : list R) : ~ In x ys -> prod_diff x ys <> 0.
Proof.
  induction ys as [|y ys IH]; simpl; [lra|]. intros H.
  apply Rmult_integral_contrapositive_currified; [intros E|apply IH; tauto].
  apply H. left. lra.
Qed.

Lemma over_ext (f h : R -> R) (xs gs : list R) :
  (forall x, In x xs -> f x = h x) -> over f xs gs = over h xs gs.
Proof.
  revert gs. induction xs as [|x xs IH]; intros [|g gs] H; simpl; try easy.
  rewrite (H x), (IH gs); simpl in *; auto.
Qed.

Lemma over_linear (a b : R) (f h : R -> R) (xs gs : list R) :
  over (fun x => a * f x + b * h x) xs gs = a * over f xs gs + b * over h xs gs.
Proof.
  revert gs. induction xs as [|x xs IH]; intros [|g gs]; simpl; try ring.
  rewrite IH. unfold Rdiv. ring.
Qed.

Lemma gaps_nonzero (xs : list R) (lo : R) :
  increasing lo xs -> forall g, In g (gaps xs) -> g <> 0.
Proof.
  revert lo. induction xs as [|x xs IH]; intros lo; [easy|]. intros [_ H] g [<-|Hg].
  - apply prod_diff_nonzero. intros C. apply (increasing_above x xs) in C; [lra|easy].
  - assert (forall (ys gs : list R), (forall y, In y ys -> y <> x) -> (forall k, In k gs -> k <> 0) ->
      forall k, In k (times_diff x ys gs) -> k <> 0) as A.
    { induction ys as [|y ys IHy]; intros [|k0 gs] H1 H2 k; simpl; try easy.
      intros [<-|Hk].
      - apply Rmult_integral_contrapositive_currified.
        + apply Rminus_eq_contra, H1. now left.
        + apply H2. now left.
      - apply (IHy gs); auto; intros; [apply H1|apply H2]; now right. }
    apply (A xs (gaps xs)); auto.
    + intros y Hy. apply (increasing_above x xs) in Hy; [lra|easy].
    + now apply (IH x).
Qed.

Lemma over_times (x : R) (f : R -> R) (ys gs : list R) :
  (forall y, In y ys -> y <> x) -> (forall g, In g gs -> g <> 0) ->
  over f ys (times_diff x ys gs) = over (fun y => f y / (y - x)) ys gs.
Proof.
  revert gs. induction ys as [|y ys IH]; intros [|g gs] H1 H2; simpl; try easy.
  rewrite IH; [|intros; apply H1; now right|intros; apply H2; now right].
  assert (y - x <> 0) by (apply Rminus_eq_contra, H1; now left).
  assert (g <> 0) by (apply H2; now left).
  f_equal. field. now split.
Qed.

(* One step of the sum over the gaps. *)
Lemma over_step (x lo : R) (f : R -> R) (xs : list R) :
  increasing lo (x :: xs) ->
  over f (x :: xs) (gaps (x :: xs))
  = f x / prod_diff x xs + over (fun y => f y / (y - x)) xs (gaps xs).
Proof.
  intros [_ H]. cbn [gaps over]. rewrite over_times; [reflexivity| |].
  - intros y Hy. apply (increasing_above x xs) in Hy; [lra|easy].
  - now apply (gaps_nonzero xs x).
Qed.

(* The divided difference of 1 over two points or more is 0. *)
Lemma over_one (xs : list R) : forall (lo a b : R),
  increasing lo (a :: b :: xs) -> over (fun _ => 1) (a :: b :: xs) (gaps (a :: b :: xs)) = 0.
Proof.
  induction xs as [|c xs IH]; intros lo a b H.
  - simpl in *. field. lra.
  - assert (Hab : a < b) by (simpl in H; tauto).
    assert (H' : increasing a (b :: c :: xs)) by (simpl in *; tauto).
    assert (Hb : increasing b (c :: xs)) by (simpl in *; tauto).
    assert (Ha : increasing a (c :: xs)) by (simpl in *; intuition lra).
    assert (Ea := IH lo a c). rewrite (over_step a lo) in Ea by (simpl in *; tauto).
    assert (Eb := IH lo b c). rewrite (over_step b lo) in Eb by (simpl in *; intuition lra).
    rewrite (over_step a lo) by easy. rewrite (over_step b a) by easy.
    rewrite (over_ext _ (fun y => (1 / (a - b)) * (1 / (y - a)) + (- 1 / (a - b)) * (1 / (y - b)))).
    2: { intros y Hy. apply (increasing_above b (c :: xs)) in Hy; [|easy]. field. lra. }
    rewrite over_linear.
    assert (prod_diff a (c :: xs) <> 0) as Na.
    { apply prod_diff_nonzero. intros C. apply (increasing_above a) in C; [lra|easy]. }
    assert (prod_diff b (c :: xs) <> 0) as Nb.
    { apply prod_diff_nonzero. intros C. apply (increasing_above b) in C; [lra|easy]. }
    change (prod_diff a (b :: c :: xs)) with ((a - b) * prod_diff a (c :: xs)).
    assert (Fa : over (fun y => 1 / (y - a)) (c :: xs) (gaps (c :: xs)) = - (1 / prod_diff a (c :: xs))).
    { assert (E : increasing lo (a :: c :: xs)) by (simpl in *; intuition lra).
      specialize (Ea E). lra. }
    assert (Fb : over (fun y => 1 / (y - b)) (c :: xs) (gaps (c :: xs)) = - (1 / prod_diff b (c :: xs))).
    { assert (E : increasing lo (b :: c :: xs)) by (simpl in *; intuition lra).
      specialize (Eb E). lra. }
    rewrite Fa, Fb. field. repeat split; try easy; lra.
Qed.

Theorem over_polynomial (xs : list R) : forall (p : list R) (lo : R),
  increasing lo xs -> (length p < length xs)%nat -> over (peval p) xs (gaps xs) = 0.
Proof.
  induction xs as [|a xs IH]; intros p lo H Hl; [simpl in Hl; lia|].
  destruct p as [|c q].
  { rewrite (over_ext _ (fun x => 0 * 1 + 0 * 1)) by (intros; simpl; ring).
    rewrite over_linear. ring. }
  destruct xs as [|b xs]; [simpl in Hl; lia|].
  set (p := c :: q) in *.
  rewrite (over_ext _ (fun x => peval p a * 1 + 1 * ((x - a) * peval (quotient p a) x))).
  2: { intros x _. rewrite (divide p a x). ring. }
  rewrite over_linear, (over_one xs lo a b H), (over_step a lo) by easy.
  rewrite (over_ext _ (peval (quotient p a))).
  2: { intros y Hy. apply (increasing_above a (b :: xs)) in Hy; [|now destruct H]. field. lra. }
  rewrite (IH (quotient p a) a); [|now destruct H|rewrite quotient_length; simpl in *; lia].
  unfold Rdiv. ring.
Qed.

Lemma over_bound (f e w : R -> R) (c : R) (xs gs : list R) :
  length gs = length xs -> (forall g, In g gs -> g <> 0) ->
  (forall x, In x xs -> Rabs (e x - f x) <= c * w x) ->
  Rabs (over e xs gs - over f xs gs) <= c * over w xs (map Rabs gs).
Proof.
  revert gs. induction xs as [|x xs IH]; intros [|g gs] Hl Hg H; simpl in *; try lia.
  - rewrite Rabs_pos_eq by lra. lra.
  - assert (g <> 0) by (apply Hg; now left). assert (0 < Rabs g) by now apply Rabs_pos_lt.
    replace (e x / g + over e xs gs - (f x / g + over f xs gs))
      with ((e x - f x) / g + (over e xs gs - over f xs gs)) by (unfold Rdiv; ring).
    eapply Rle_trans; [apply Rabs_triang|].
    rewrite Rmult_plus_distr_l. apply Rplus_le_compat.
    + unfold Rdiv. rewrite Rabs_mult, Rabs_inv by easy. rewrite <- Rmult_assoc.
      apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat|]. apply H. now left.
    + apply IH; [lia|intros; apply Hg; now right|intros; apply H; now right].
Qed.

(* Points exclude: no polynomial shorter than the points stays within c w of e at all of them. *)
Theorem points_exclude (e w : R -> R) (c lo : R) (xs p : list R) :
  increasing lo xs -> (length p < length xs)%nat ->
  c * over w xs (map Rabs (gaps xs)) < Rabs (over e xs (gaps xs)) ->
  exists x, In x xs /\ c * w x < Rabs (e x - peval p x).
Proof.
  intros H Hl Hb.
  assert (D : forall ys : list R, (exists x, In x ys /\ c * w x < Rabs (e x - peval p x))
    \/ forall x, In x ys -> Rabs (e x - peval p x) <= c * w x).
  { induction ys as [|y ys [(x & Hx & E)|IH]]; [right; easy|left; exists x; simpl; auto|].
    destruct (Rlt_le_dec (c * w y) (Rabs (e y - peval p y))).
    - left. exists y. simpl. auto.
    - right. intros x [<-|Hx]; auto. }
  destruct (D xs) as [E|E]; [easy|exfalso].
  apply (over_bound (peval p) e w c xs (gaps xs)) in E.
  - rewrite (over_polynomial xs p lo H Hl), Rminus_0_r in E. lra.
  - apply gaps_length.
  - now apply (gaps_nonzero xs lo).
Qed.
