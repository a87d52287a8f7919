; ensemble-reverse: kappa |true| <= kappa |lam| + |eps| R, true = lam - back eps, kappa |back| <= R
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const back Real)
(declare-const eps Real)
(declare-const kappa Real)
(declare-const lam Real)
(declare-const reach Real)
(declare-const true Real)
(assert (> kappa 0.0))
(assert (>= eps 0.0))
(assert (= true (+ lam (* (- 1.0) back eps))))
(assert (<= (* back kappa) reach))
(assert (>= (* back kappa) (* (- 1.0) reach)))
; the conclusion, negated
(assert (not (and (<= (* kappa true) (+ (* eps reach) (* kappa (ite (>= lam 0.0) lam (- lam))))) (>= (* kappa true) (+ (* (- 1.0) eps reach) (* (- 1.0) kappa (ite (>= lam 0.0) lam (- lam))))))))
(check-sat)
