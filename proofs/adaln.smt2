; adaln: a product of two perturbed numbers: |x'g' - xg| <= |g| eta + |x| e + eta e
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const dk Real)
(declare-const dq Real)
(declare-const ek Real)
(declare-const eq Real)
(declare-const g Real)
(declare-const x1 Real)
(assert (<= dq eq))
(assert (>= dq (* (- 1.0) eq)))
(assert (<= dk ek))
(assert (>= dk (* (- 1.0) ek)))
; the conclusion, negated
(assert (not (<= (+ (* (+ dk g) (+ dq x1)) (* (- 1.0) g x1)) (+ (* ek eq) (* ek (ite (>= x1 0.0) x1 (- x1))) (* eq (ite (>= g 0.0) g (- g)))))))
(check-sat)
