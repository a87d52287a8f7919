; attention-lipschitz: each of the three: |q| <= Rq and |dk| <= ek give q dk <= Rq ek
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const dk Real)
(declare-const ek Real)
(declare-const q1 Real)
(declare-const rq Real)
(assert (<= q1 rq))
(assert (>= q1 (* (- 1.0) rq)))
(assert (<= dk ek))
(assert (>= dk (* (- 1.0) ek)))
; the conclusion, negated
(assert (not (<= (* dk q1) (* ek rq))))
(check-sat)
