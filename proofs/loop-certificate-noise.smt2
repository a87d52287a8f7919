; loop-certificate: r = (1 - K)/L and nu = (1 - K)^2/(2 L) - delta: delta + nu + K r + L r^2/2 <= r
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const K Real)
(declare-const L Real)
(declare-const delta Real)
(declare-const nu Real)
(declare-const r Real)
(assert (> L 0.0))
(assert (>= K 0.0))
(assert (< K 1.0))
(assert (= (* L r) (+ 1.0 (* (- 1.0) K))))
(assert (= (* 2.0 L (+ delta nu)) (* (+ 1.0 (* (- 1.0) K)) (+ 1.0 (* (- 1.0) K)))))
; the conclusion, negated
(assert (not (<= (+ delta nu (* K r) (* (/ 1.0 2.0) L (* r r))) r)))
(check-sat)
