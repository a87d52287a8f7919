; twin of attention-lipschitz: all at their ends
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const dk Real)
(declare-const ek Real)
(declare-const q1 Real)
(declare-const rq Real)
(assert (<= q1 rq))
(assert (>= q1 (* (- 1.0) rq)))
(assert (<= dk ek))
(assert (>= dk (* (- 1.0) ek)))
; the witness
(assert (= dk 1.0))
(assert (= ek 1.0))
(assert (= q1 1.0))
(assert (= rq 1.0))
; the conclusion, negated
(assert (not (<= (* dk q1) (* (/ 99.0 100.0) ek rq))))
(check-sat)
(get-model)
