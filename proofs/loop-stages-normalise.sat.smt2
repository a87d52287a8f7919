; twin of loop-stages-normalise: attained, at a = 1/(3 tau)
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const a Real)
(declare-const tau Real)
(assert (>= a 0.0))
(assert (<= a 1.0))
(assert (>= tau 0.0))
(assert (<= tau 1.0))
; the witness
(assert (= a (/ 2.0 3.0)))
(assert (= tau (/ 1.0 2.0)))
; the conclusion, negated
(assert (not (<= (* tau (+ 1.0 (* a (+ 8.0 (* (- 6.0) tau))) (* (- 1.0) (* a a) (+ (* (- 9.0) (* tau tau)) (* 12.0 tau))))) (/ 33.0 25.0))))
(check-sat)
(get-model)
