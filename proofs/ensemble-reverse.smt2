; ensemble-reverse: kappa |entire| <= kappa |lam| + |eps| R, entire = lam - back eps, kappa |back| <= R
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const back Real)
(declare-const entire Real)
(declare-const eps Real)
(declare-const kappa Real)
(declare-const lam Real)
(declare-const reach Real)
(assert (> kappa 0.0))
(assert (>= eps 0.0))
(assert (= entire (+ lam (* (- 1.0) back eps))))
(assert (<= (* back kappa) reach))
(assert (>= (* back kappa) (* (- 1.0) reach)))
; the conclusion, negated
(assert (not (and (<= (* entire kappa) (+ (* eps reach) (* kappa (ite (>= lam 0.0) lam (- lam))))) (>= (* entire kappa) (+ (* (- 1.0) eps reach) (* (- 1.0) kappa (ite (>= lam 0.0) lam (- lam))))))))
(check-sat)
