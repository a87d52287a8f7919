; flowar-cost: a state that is built once saves (T - 1)(d_v + 3) of T (2 d_v + 5) per feature
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const N Real)
(declare-const T Real)
(declare-const d_v Real)
(declare-const r Real)
(assert (>= N 1.0))
(assert (>= r 1.0))
(assert (>= d_v 1.0))
(assert (>= T 1.0))
; the conclusion, negated
(assert (not (= (+ (* (- 1.0) N r (+ 3.0 d_v)) (* N T r (+ 5.0 (* 2.0 d_v))) (* (- 1.0) N T r (+ 2.0 d_v))) (* N r (+ (- 1.0) T) (+ 3.0 d_v)))))
(check-sat)
