; twin of regime-exponent-minimax: 1 % less is false
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const C Real)
(declare-const P Real)
(declare-const Sh Real)
(declare-const s Real)
(declare-const slope Real)
(assert (> s 0.0))
(assert (= P (+ (* (- 1.0) Sh) (* C s))))
(assert (= (* s slope) (+ (* (- 1.0) P) (* C s))))
; the witness
(assert (= C 2.0))
(assert (= P 1.0))
(assert (= Sh 1.0))
(assert (= s 1.0))
(assert (= slope 1.0))
; the conclusion, negated
(assert (not (= (* s slope) (* (/ 99.0 100.0) Sh))))
(check-sat)
(get-model)
